import dataclasses
from typing import Literal

import pytest
from cyclopts import App, CycloptsError

from rheon.cli.flags import flags, plain_fields, told
from rheon.cli.image_options import Pictures, Variety
from rheon.cli.run import Run
from rheon.errors import RheonError
from rheon.training import Settings


def _parse(cls, words, check=lambda values: None):
    app = App(result_action="return_value")

    @app.default
    def take(*, given: flags(cls, check) | None = None):
        return given or {}

    return app(words, exit_on_error=False, print_error=False)


@dataclasses.dataclass
class Choices:
    """Some.

    Args:
        name: what it is called, in :class:`~two.Lines`
            of ``many``.
        count: how many.
        pair: two of them.
        switch: whether.
        kind: "a" or "b".
    """

    name: str = ""
    count: int | Literal["auto"] = 3
    pair: tuple[float, float] | None = None
    switch: bool = False
    kind: Literal["a", "b"] = "a"


def test_only_what_was_given():
    assert _parse(Choices, []) == {}
    assert _parse(Choices, "--given.count 4") == {"count": 4}
    words = "--given.name 12 --given.count auto --given.pair 1 2.5 --given.switch --given.kind c"
    expected = {"name": "12", "count": "auto", "pair": (1, 2.5), "switch": True, "kind": "c"}
    assert _parse(Choices, words) == expected, "judged by the check, not by the type"
    assert _parse(Choices, "--given.no-switch --given.count -7.5") == {"switch": False, "count": -7.5}


def test_a_check_speaks_under_the_name_of_the_flag():
    def check(values):
        raise RheonError(f"settings: not {values}")

    with pytest.raises(CycloptsError, match=r'Invalid value "4" for --given.count. not {\'count\': 4}.'):
        _parse(Choices, "--given.count 4", check)


def test_told():
    assert told(Choices)["name"] == "What it is called, in two.Lines of many."
    assert list(told(Choices)) == [field.name for field in dataclasses.fields(Choices)]


@pytest.mark.parametrize("cls", [Run, Settings, Pictures, Variety])
def test_every_field_is_told(cls):
    assert {field.name for field in dataclasses.fields(cls)} == set(told(cls))


def test_tables_are_no_flags():
    assert list(plain_fields(Run)) == [
        "data",
        "out",
        "architecture",
        "levels",
        "dequantise",
        "labels",
        "test_share",
        "tensorboard",
    ]
    assert set(plain_fields(Settings)) == {field.name for field in dataclasses.fields(Settings)}
