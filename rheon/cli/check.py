"""``rheon check``: whether a model's density is one, in words and as exit code."""

from pathlib import Path

from rheon.cli.console import say
from rheon.cli.numbers import Seed
from rheon.errors import RheonError
from rheon.storage import read_config

FAILED = 1


def check(model: Path, /, *, seed: Seed = 0) -> int:
    """Checks that a model's density is one; exit code 1 where it is not.

    Args:
        model: A model directory.
        seed: Of the draws that it is checked on.
    """
    read_config(model)

    from rheon.evaluation import check_flow
    from rheon.images import ImageDensity
    from rheon.models import load
    from rheon.reports.report import flows_of

    loaded = load(model)
    flows = flows_of(loaded)
    if not flows:
        raise RheonError(
            f"{model} is a density of mixed or conditional rows, which check has no battery for yet"
        )
    if isinstance(loaded, ImageDensity):
        say(f"log p(x) is a density of x = k + u; figures of this model: {loaded.likelihood()}")
    passed = True
    for number, flow in enumerate(flows, start=1):
        found = check_flow(flow, seed=seed)
        say(f"flow {number} of {len(flows)}")
        for line in str(found).splitlines():
            say(line)
        passed = passed and found.passed
    return 0 if passed else FAILED
