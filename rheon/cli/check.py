"""``rheon check``: whether a model's density is one, in words and as exit code."""

from pathlib import Path

from rheon.cli.console import say
from rheon.cli.numbers import Seed
from rheon.cli.paths import check_data
from rheon.storage import read_config

FAILED = 1


def check(model: Path, /, *, data: str | None = None, seed: Seed = 0) -> int:
    """Checks that a model's density is one; exit code 1 where it is not.

    Args:
        model: A model directory.
        data: Rows or images to try it on; its own draws unless given. Of a model of columns given others,
            rows are needed to check whole rows.
        seed: Of the draws that it is checked on.
    """
    read_config(model)
    if data is not None:
        check_data(data)

    from rheon.checks import check as found_by
    from rheon.cli.data import read_for
    from rheon.images import ImageDensity
    from rheon.models import load

    loaded = load(model)
    if isinstance(loaded, ImageDensity):
        say(f"log p(x) is a density of x = k + u; figures of this model: {loaded.likelihood()}")
    found = found_by(loaded, None if data is None else read_for(loaded, data, seed), seed=seed)
    for line in str(found).splitlines():
        say(line)
    say("the density is one, as far as can be measured" if found.passed else "do not use its numbers")
    return 0 if found.passed else FAILED
