import numpy as np
import pytest

from rheon.images.members import Held
from rheon.images.parts import parts


def found(*names):
    return parts(Held(names, [b""] * len(names)))


@pytest.mark.parametrize("top", ["", "set/", "a/b/", "./"])
@pytest.mark.parametrize("test", ["test", "val", "valid", "validation"])
def test_train_beside_test_are_parts(top, test):
    of = found(f"{top}{test}/1.png", f"{top}train/2.png", f"{top}train/3.png")
    assert of.learn.names == (f"{top}train/2.png", f"{top}train/3.png")
    assert of.test.names == (f"{top}{test}/1.png",)
    assert of.classes is None
    assert of.said == (f"train/ learned from and {test}/ kept apart",)


def test_what_is_neither_is_left_aside_and_said():
    of = found("train/1.png", "test/2.png", "val/3.png", "cover.png")
    assert len(of.learn.names) == len(of.test.names) == 1
    assert of.said[1] == "those beside them, val left aside"


@pytest.mark.parametrize(
    "names", [("1.png", "2.png"), ("a/1.png", "a/2.png"), ("a/1.png", "2.png"), ("test/1.png", "b/2.png")[:1]]
)
def test_folders_that_say_nothing(names):
    of = found(*names)
    assert of.test is None
    assert of.learn.labels is None
    assert of.learn.names == names


def test_folders_are_classes_in_the_order_of_their_names():
    of = found("set/b/1.png", "set/a/x/2.png", "set/b/3.png")
    assert of.classes == ("a", "b")
    assert of.learn.labels.tolist() == [1, 0, 1]


def test_labels_that_the_files_bring_are_kept():
    members = Held(["train/1.png", "test/2.png", "train/3.png"], [b""] * 3, np.array([4, 5, 6]))
    of = parts(members)
    assert of.learn.labels.tolist() == [4, 6]
    assert of.test.labels.tolist() == [5]


def test_test_labels_count_the_classes_of_the_training_part():
    of = found("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png", "test/b/1.png")
    assert of.test.labels.tolist() == [2, 1]
    unknown = found("train/a/1.png", "train/b/1.png", "test/z/1.png", "test/a/1.png")
    assert unknown.learn.labels.tolist() == [0, 1]
    assert unknown.test.labels is None
