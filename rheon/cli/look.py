"""``rheon look``: pictures of what a model of images holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rheon.cli.console import note, say
from rheon.cli.numbers import Count, Seed
from rheon.cli.paths import check_data, check_folder
from rheon.errors import RheonError
from rheon.storage import read_config


def look(
    model: Path,
    data: str | None = None,
    /,
    *,
    out: Path,
    number: Annotated[Count, Parameter(name=["--number", "-n"])] = 8,
    seed: Seed = 0,
) -> None:
    """Draws what a model of images holds, and writes the pictures.

    Args:
        model: A model directory.
        data: Images as fit takes them: those to look at, and to find the nearest ones among.
        out: The folder to write the pictures to; made where it is not there.
        number: Images in a row.
        seed: The same seed gives the same pictures.
    """
    if read_config(model)["kind"] != "image":
        raise RheonError(f"{model} is a model of rows: look draws what models of images hold")
    if data is not None:
        check_data(data)

    check_folder(out)

    from rheon.files import replacing
    from rheon.plots import png

    out.mkdir(exist_ok=True)
    for name, (words, draw) in _pictures(model, data, number, seed).items():
        try:
            picture = png(draw())
        except RheonError as error:
            note(f"left out: {name} ({error})")
            continue
        with replacing(out / name) as temporary:
            temporary.write_bytes(picture)
        say(f"{out / name}: {words}")


def _pictures(path: Path, data: str | None, n: int, seed: int) -> dict[str, tuple[str, Callable[[], Any]]]:
    """File name → (what it shows, how it is drawn)."""
    import numpy as np

    from rheon import plots
    from rheon.cli.data import read_to_score
    from rheon.images import ImageDensity
    from rheon.models import load

    model = load(path)
    assert isinstance(model, ImageDensity)
    drawn = {
        "temperatures.png": (
            "the same draws at temperatures from 0 to 1",
            lambda: plots.temperatures(model, n, seed),
        )
    }
    if data is None:
        return drawn
    among = read_to_score(data, seed, model.levels or 256, None, model.preparation).images
    some = np.random.default_rng(seed).permutation(len(among))[: max(n, 4)]
    images = model.read(among).images[some]
    shown = images[:n]
    return drawn | {
        "interpolation.png": (
            "between four images, in the corners",
            lambda: plots.interpolation(model, images[:4], n, seed),
        ),
        "scales.png": ("what each scale holds", lambda: plots.scales(model, shown, seed)),
        "reconstruction.png": (
            "images, and the same from their latents",
            lambda: plots.reconstruction(model, shown, seed),
        ),
        "nearest.png": (
            "draws, and the nearest images to them in the data",
            lambda: plots.nearest(model, among, n, seed),
        ),
        "bits.png": ("where in each image its bits are", lambda: plots.bits(model, shown, seed)),
    }
