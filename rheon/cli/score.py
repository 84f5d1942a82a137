"""``rheon score``: the log-density of every image or row."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheon.cli.console import note, say
from rheon.cli.flags import given
from rheon.cli.image_options import Pictures
from rheon.cli.numbers import Count, Seed
from rheon.cli.paths import TABLE_SUFFIXES, check_data, check_file
from rheon.errors import RheonError
from rheon.storage import read_config

if TYPE_CHECKING:
    GivenPictures = dict[str, Any] | None
else:
    GivenPictures = given(Pictures, lambda values: Pictures(**values), "Pictures")


def score(
    model: Path,
    data: str,
    /,
    *,
    out: Path | None = None,
    draws: Count = 1,
    seed: Seed = 0,
    pictures: GivenPictures = None,
) -> None:
    """Gives every image or row its log-density, and prints the mean with its standard error.

    Args:
        model: A model directory.
        data: What fit takes too; of a density in the plane, fresh draws.
        out: The file to write, .csv, .tsv, .parquet, .arrow or .feather; none unless given.
        draws: Of images, draws of the dequantisation noise for each: more give a tighter bound.
        seed: Of that noise, and of fresh draws.
        pictures: What images are made of pictures: as in the fit.
    """
    config = read_config(model)
    check_data(data)
    if out is not None:
        check_file(out, TABLE_SUFFIXES, data)
    if config["kind"] != "image" and draws != 1:
        raise RheonError("--draws is for images: the density of a row needs no noise")

    from rheon.cli.data import left_out, read_to_score
    from rheon.images import ImageDensity
    from rheon.models import load
    from rheon.tables import write_table

    loaded = load(model)
    if isinstance(loaded, ImageDensity):
        found = read_to_score(data, seed, loaded.levels, None, Pictures(**(pictures or {})).preparation())
        if caution := left_out(found):
            note(caution)
        columns = _image_columns(loaded, found.content, draws, seed)
    else:
        found = read_to_score(data, seed, None, loaded.columns)
        columns = {"log_prob_nats": loaded.log_prob(found.content)}
    if out is not None:
        write_table(out, columns)
        say(f"{out}: {len(found):,} scores")
    noun = "images" if isinstance(loaded, ImageDensity) else "rows"
    for name in ("bits_per_dim", "log_prob_nats"):
        if name in columns:
            say(f"{name} of {len(found):,} {noun}: {mean_with_error(columns[name])}")
    if found.toy is not None:
        true = mean_with_error(found.toy.log_density(found.table.values))
        say(f"log_prob_nats of the true density: {true}")
    elif isinstance(facts := config.get("data"), dict) and facts.get("source") == Path(data).name:
        note(f"the model was fitted on {data}: new data will score worse")


def mean_with_error(values: Any) -> str:
    """The mean and its standard error, as text."""
    error = f" ± {values.std(ddof=1) / len(values) ** 0.5:.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{error}"


def _image_columns(model: Any, images: Any, draws: int, seed: int) -> dict[str, Any]:
    import numpy as np

    log_prob = model.log_prob(images, draws=draws, seed=seed)
    named = {} if images.names is None else {"name": list(images.names)}
    return {
        "index": np.arange(len(images)),
        **named,
        "log_prob_nats": log_prob,
        "bits_per_dim": model.unit.scale * -log_prob,
    }
