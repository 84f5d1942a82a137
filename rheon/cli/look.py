"""``rheon look``: pictures of what a model of images holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rheon.cli.console import note, say
from rheon.cli.numbers import Count, Seed
from rheon.cli.paths import check_data
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

    from rheon.files import replacing
    from rheon.reports import png

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

    from rheon.cli.data import read_to_score
    from rheon.images import ImageDensity, looks
    from rheon.models import load
    from rheon.reports import heat, labelled_rows, sheet

    model = load(path)
    assert isinstance(model, ImageDensity)
    levels = model.levels or 256

    def temperatures() -> Any:
        rows = looks.at_temperatures(model, n, seed=seed)
        return labelled_rows(
            {f"T = {T:g}": row for T, row in zip(looks.TEMPERATURES, rows, strict=True)}, levels
        )

    drawn = {"temperatures.png": ("the same draws at temperatures from 0 to 1", temperatures)}
    if data is None:
        return drawn
    among = read_to_score(data, seed, levels, None, model.preparation).images
    some = np.random.default_rng(seed).permutation(len(among))[: max(n, 4)]
    images = model.read(among).images[some]
    shown = images[:n]

    def interpolation() -> Any:
        grid = looks.interpolation(model, images[:4], n, seed)
        return sheet(grid.reshape(-1, *grid.shape[2:]), levels, columns=n)

    def scales() -> Any:
        rows = looks.scales(model, shown, seed)
        names = ["the image", *(_drawn_anew(j, len(rows) - 1) for j in range(1, len(rows)))]
        return labelled_rows(dict(zip(names, rows, strict=True)), levels)

    def reconstruction() -> Any:
        return labelled_rows({"x": shown, "back from f(x)": looks.reconstruction(model, shown, seed)}, levels)

    def nearest() -> Any:
        new = looks.at_temperatures(model, n, (1.0,), seed)[0]
        index, distance = looks.nearest(new, among.array)
        say(
            f"nearest images to {n} draws: root mean square distance {distance.min():.2f} grey levels or more"
        )
        return labelled_rows({"drawn": new, "nearest in data": among.images[index]}, levels)

    def bits() -> Any:
        maps = looks.bits_map(model, shown, seed)
        spread = np.rint(shown * (255 / (levels - 1))).astype(np.uint8)
        most = float(np.quantile(maps, 0.995))
        return labelled_rows({"x": _coloured(spread), f"bits, 0 to {most:.1f}": heat(maps, most)})

    return drawn | {
        "interpolation.png": ("between four images, in the corners", interpolation),
        "scales.png": ("what each scale holds", scales),
        "reconstruction.png": ("images, and the same from their latents", reconstruction),
        "nearest.png": ("draws, and the nearest images to them in the data", nearest),
        "bits.png": ("where in each image its bits are", bits),
    }


def _drawn_anew(j: int, levels: int) -> str:
    """Row j of what each scale holds."""
    if j == levels:
        return "all drawn anew"
    return "Z1 drawn anew" if j == 1 else f"Z1…Z{j} drawn anew"


def _coloured(images: Any) -> Any:
    """Three channels, for a sheet that shows colours too."""
    return images[:, :3] if images.shape[1] >= 3 else images[:, :1].repeat(3, 1)
