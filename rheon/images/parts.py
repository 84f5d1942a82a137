"""What the names of files say: which pictures were set aside to test on, and of which class each is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rheon.images.members import Members, Part

TEST_NAMES = ("test", "val", "valid", "validation")
"""Folders that are kept apart, where they lie beside ``train``; the first of these that is there."""


@dataclass(frozen=True)
class Parts:
    """Members to learn from and those to test on, with labels if folders are classes, and what was taken."""

    learn: Members
    test: Members | None
    classes: tuple[str, ...] | None
    said: tuple[str, ...]


def parts(members: Members) -> Parts:
    """By folders: train/ beside test/ (or val/) are parts, and folders that hold all pictures are classes.

    >>> from rheon.images.members import Held
    >>> names = ["set/test/cat/9.png", "set/train/cat/1.png", "set/train/dog/2.png", "set/train/dog/3.png"]
    >>> found = parts(Held(names, [b""] * 4))
    >>> found.learn.names, found.learn.labels.tolist(), found.classes
    (('set/train/cat/1.png', 'set/train/dog/2.png', 'set/train/dog/3.png'), [0, 1, 1], ('cat', 'dog'))
    >>> found.said
    ('train/ learned from and test/ kept apart', '2 classes by folder')
    """
    inner = _below_common(members.names)
    tops = [name.split("/", 1)[0] if "/" in name else "" for name in inner]
    apart = next((name for name in TEST_NAMES if "train" in tops and name in tops), None)
    if apart is None:
        labels, classes = _labels(inner, None)
        said: tuple[str, ...] = () if classes is None else (f"{len(classes)} classes by folder",)
        rows = range(len(inner))
        return Parts(Part(members, rows, labels) if classes else members, None, classes, said)
    learn, test = ([i for i, top in enumerate(tops) if top == name] for name in ("train", apart))
    said = (f"train/ learned from and {apart}/ kept apart",)
    if others := sorted({top or "those beside them" for top in tops} - {"train", apart}):
        said += (f"{', '.join(others)} left aside",)
    labels, classes = _labels([inner[i].split("/", 1)[1] for i in learn], None)
    if classes is not None:
        said += (f"{len(classes)} classes by folder",)
    test_labels, _ = _labels([inner[i].split("/", 1)[1] for i in test], classes)
    if members.labels is not None:  # the files say it themselves
        labels, test_labels = members.labels[learn], members.labels[test]
    return Parts(Part(members, learn, labels), Part(members, test, test_labels), classes, said)


def _below_common(names: Sequence[str]) -> list[str]:
    """Names without the folders that all of them are in, unless those say a part."""
    split = [name.removeprefix("./").split("/") for name in names]
    common = 0
    while all(len(path) > common + 1 and path[common] == split[0][common] for path in split):
        common += 1
    return ["/".join(path[common:]) for path in split]


def _labels(
    names: Sequence[str], classes: tuple[str, ...] | None
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    folders = [name.split("/", 1)[0] for name in names]
    found = tuple(sorted(set(folders)))
    known = found if classes is None else classes
    if len(known) < 2 or not all("/" in name for name in names) or not set(found) <= set(known):
        return None, None
    number = {name: i for i, name in enumerate(known)}
    return np.array([number[folder] for folder in folders], np.int64), known
