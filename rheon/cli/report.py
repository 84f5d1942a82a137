"""``rheon report``: what a model is worth, as one page."""

from pathlib import Path

from rheon.cli.console import note, say
from rheon.cli.numbers import Seed
from rheon.cli.paths import check_data, check_file
from rheon.storage import read_config


def report(model: Path, /, *, data: str | None = None, out: Path | None = None, seed: Seed = 0) -> None:
    """Writes one HTML file about a model.

    Args:
        model: A model directory.
        data: Rows or images that it did not learn from, to set its draws beside.
        out: The file to write; report.html in the model directory unless given.
        seed: Of draws and checks.
    """
    read_config(model)
    out = out or model / "report.html"
    check_file(out, (".html",))
    if data is not None:
        check_data(data)

    from rheon.cli.data import read_to_score
    from rheon.files import replacing
    from rheon.images import ImageDensity
    from rheon.models import load
    from rheon.reports import plain
    from rheon.reports.report import report as write

    loaded = load(model)
    levels = loaded.levels if isinstance(loaded, ImageDensity) else None
    content = None if data is None else read_to_score(data, seed, levels, None).content
    if content is None:
        note("without --data there is nothing to set draws beside; give rows that it did not learn from")
    html = write(loaded, plain(model.name), content, seed=seed)
    with replacing(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    say(f"{out}: {len(html) / 1e6:.1f} MB, complete in itself")
