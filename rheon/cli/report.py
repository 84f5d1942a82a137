"""``rheon report``: what a model is worth, as one page."""

from pathlib import Path

from rheon.cli.console import note, say
from rheon.cli.numbers import Seed
from rheon.cli.paths import check_data, check_file, check_folder
from rheon.storage import read_config
from rheon.text import plain


def report(
    model: Path,
    /,
    *,
    data: str | None = None,
    out: Path | None = None,
    figures: Path | None = None,
    seed: Seed = 0,
) -> None:
    """Writes one HTML file about a model.

    Args:
        model: A model directory.
        data: Rows or images that it did not learn from, to set its draws beside.
        out: The file to write; report.html in the model directory unless given.
        figures: A folder to write the pictures to, as PNG files; made where it is not there.
        seed: Of draws and checks.
    """
    read_config(model)
    out = out or model / "report.html"
    check_file(out, (".html",))
    if figures is not None:
        check_folder(figures, "--figures")
    if data is not None:
        check_data(data)

    from rheon.cli.data import read_for
    from rheon.files import replacing
    from rheon.models import load
    from rheon.reports.report import report as of

    if data is None:
        note("without --data there is nothing to set draws beside; give rows that it did not learn from")
    loaded = load(model)
    content = None if data is None else read_for(loaded, data, seed)
    page = of(loaded, plain(model.name), content, seed=seed)
    html = page.html.encode()
    with replacing(out) as temporary:
        temporary.write_bytes(html)
    say(f"{out}: {len(html) / 1e6:.1f} MB, complete in itself")
    if figures is not None:
        figures.mkdir(exist_ok=True)
        for name, picture in page.figures.items():
            with replacing(figures / name) as temporary:
                temporary.write_bytes(picture)
            say(str(figures / name))
