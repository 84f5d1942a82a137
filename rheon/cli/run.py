"""Every choice of one fit, said once: the fields are the flags of ``rheon fit`` and the keys of its TOML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_type_hints

from rheon.cli.image_options import AS_THEY_ARE, NO_VARIETY, Pictures, Variety
from rheon.cli.paths import model_name
from rheon.cli.table_options import AS_GUESSED, Columns
from rheon.errors import RheonError, hint
from rheon.training.settings import Settings

MINUTES = 1.5
"""Unless told otherwise, so that with reading, baselines and pictures the command ends within two."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One fit, as it was asked for.

    Args:
        data: built-in data by name, or a path.
        out: the model directory to make; DATA.rheon in this folder unless given.
        architecture: by name: image_flow, image_flow_base, image_flow_large, realnvp, spline, nice, or one
            from rheon.architectures.
        levels: number of grey levels of images; told from the data unless given.
        dequantise: how whole grey levels become real numbers, by uniform noise (the default) or by noise that
            is learned; image_flow needs none.
        labels: learns the images of each class, by the labels that come with them.
        test_share: share of the data that is kept apart, for the figures at the end.
        tensorboard: folder to write TensorBoard's event files to; none are written unless given.
        pictures: what images are made of pictures.
        variety: what training does to images.
        columns: what the columns of a table are.
        training: those of :class:`~rheon.training.Settings` that are chosen; the others are as suits the kind
            of data.

    Raises:
        RheonError: a value is of a wrong type or out of range, or a key is none.
    """

    data: str
    out: str = ""
    architecture: str | None = None
    levels: int | None = None
    dequantise: Literal["uniform", "learned"] | None = None
    labels: bool = False
    test_share: float = 0.2
    tensorboard: str | None = None
    pictures: Pictures = AS_THEY_ARE
    variety: Variety = NO_VARIETY
    columns: Columns = AS_GUESSED
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (holds, wanted) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise RheonError(f"{name} must be {wanted}, not {value!r}")
        if not self.out:
            object.__setattr__(self, "out", model_name(self.data))
        checked = Settings.from_dict(self.training)
        training = {name: getattr(checked, name) for name in self.training}
        if training.get("steps") is None and training.get("minutes") is None:
            training["minutes"] = MINUTES
        object.__setattr__(self, "training", training)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A run from nested tables, as TOML gives them.

        >>> Run.from_dict({"data": "digits", "test_shares": 0.1})
        Traceback (most recent call last):
        rheon.errors.RheonError: a run has no 'test_shares': did you mean 'test_share'?
        """
        return cls(**_known(cls, values, "a run"))

    @property
    def place(self) -> Path:
        """Where the model goes."""
        return Path(self.out)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of a run, where the second wins.

    >>> merged({"data": "a", "training": {"minutes": 2.0, "seed": 1}}, {"training": {"steps": 10}})
    {'data': 'a', 'training': {'seed': 1, 'steps': 10}}
    """
    whole = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping) and isinstance(whole.get(key), Mapping):
            budget = {"steps", "minutes"} & set(value)  # one of the two: the other goes with it
            kept = {k: v for k, v in whole[key].items() if not (budget and k in ("steps", "minutes"))}
            value = {**kept, **value}
        whole[key] = value
    return whole


def _known(cls: Any, values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The values, whose keys are fields; a table becomes the dataclass that it stands for."""
    names, hints = [field.name for field in fields(cls)], get_type_hints(cls)
    made = {}
    for key, value in values.items():
        if key not in names:
            raise RheonError(f"{what} has no {key!r}: {hint(str(key), names)}")
        table = is_dataclass(hints[key]) or key == "training"
        if table and not isinstance(value, Mapping):
            raise RheonError(f"{key} must be a table, [{key}], not {value!r}")
        made[key] = hints[key](**_known(hints[key], value, f"[{key}]")) if is_dataclass(hints[key]) else value
    return made


_Rule = tuple[Callable[[Any], bool], str]


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


_RULES: dict[str, _Rule] = {
    "data": (_text, "text"),
    "out": (lambda v: isinstance(v, str), "text"),
    "architecture": (lambda v: v is None or _text(v), "text"),
    "tensorboard": (lambda v: v is None or _text(v), "text"),
    "dequantise": (lambda v: v in (None, "uniform", "learned"), "uniform or learned"),
    "labels": (lambda v: isinstance(v, bool), "true or false"),
    "levels": (lambda v: v is None or (type(v) is int and 2 <= v <= 256), "a whole number from 2 to 256"),
    "test_share": (lambda v: isinstance(v, float) and 0 < v < 1, "a number above 0 and below 1"),
}
