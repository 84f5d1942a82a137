"""``rheon score``: the log-density of every image or row."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rheon.cli.console import note, say
from rheon.cli.flags import given
from rheon.cli.image_options import Pictures
from rheon.cli.numbers import Count, Seed, Share
from rheon.cli.paths import TABLE_SUFFIXES, check_data, check_file
from rheon.errors import RheonError
from rheon.storage import read_config

_MEANS = ("bits_per_dim", "log_prob_nats")

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
    anomaly: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    contamination: Share | None = None,
    explain: Count | None = None,
    pictures: GivenPictures = None,
) -> None:
    """Gives every image or row its log-density, and prints the mean with its standard error.

    Args:
        model: A model directory.
        data: What fit takes too; of a density in the plane, fresh draws.
        out: The file to write, .csv, .tsv, .parquet, .arrow or .feather; none unless given.
        draws: Of the dequantisation noise of images and of numbers on a grid: more tighten the bound that a
            figure is, where it is one; those of image_flow are exact.
        seed: Of that noise, and of fresh draws.
        anomaly: Of images, adds to OUT the columns typicality, complexity and latent_norm, higher for odder
            images; complexity is the one to go by.
        contamination: Of rows, the share of training rows that count as anomalies, 0.01 unless said.
        explain: Of anomalies among rows, adds to OUT so many columns with the names of those that make them
            unusual, and the surprisal of their cells given the rest of the row. It takes some
            milliseconds a row; --contamination 1 explains them all.
        pictures: What images are made of pictures; as in the fit unless said.
    """
    config = read_config(model)
    check_data(data)
    if out is not None:
        check_file(out, TABLE_SUFFIXES, data)
    if anomaly and (out is None or config["kind"] != "image"):
        raise RheonError("--anomaly is for models of images, and adds columns to --out: give a file to write")
    if (contamination or explain) and (out is None or config["kind"] != "table"):
        raise RheonError(
            "--contamination and --explain are for models of tables, and add columns to --out: give a file"
        )

    from rheon.cli.rows import of_rows
    from rheon.images import ImageDensity
    from rheon.models import load
    from rheon.tables import writing

    loaded = load(model)
    images = isinstance(loaded, ImageDensity)
    parts = (
        _of_images(loaded, data, draws, seed, Pictures(**pictures) if pictures else None, anomaly)
        if isinstance(loaded, ImageDensity)
        else of_rows(loaded, data, draws, seed, contamination or 0.01, explain or 0)
    )
    means, true_mean = {name: Mean() for name in _MEANS}, Mean()
    with nullcontext() if out is None else writing(out) as write:
        for columns, true in parts:
            if write is not None:
                write(columns)
            for name, mean in means.items():
                mean.add(columns.get(name, ()))
            true_mean.add(true)
    n = len(means["log_prob_nats"])
    if out is not None:
        say(f"{out}: {n:,} scores")
    kind = f" ({loaded.likelihood(draws)})" if isinstance(loaded, ImageDensity) else ""
    for name, mean in means.items():
        if len(mean):
            say(f"{name} of {n:,} {'images' if images else 'rows'}: {mean}{kind}")
    if len(true_mean):
        say(f"log_prob_nats of the true density: {true_mean}")
    elif isinstance(facts := config.get("data"), dict) and facts.get("source") == Path(data).name:
        note(f"the model was fitted on {data}: new data will score worse")


class Mean:
    """Mean and standard error of numbers that come in parts.

    With n, m and s the count, the mean and the sum of squared deviations of a part, and n', m', s' those of
    the next, both together have

        n + n'     m + (m' - m) n' / (n + n')     s + s' + (m' - m)² n n' / (n + n')

    Reference: Chan, Golub, LeVeque, *Updating formulae and a pairwise algorithm for computing sample
    variances*, 1979, Stanford STAN-CS-79-773.
    """

    def __init__(self) -> None:
        self._n, self._mean, self._deviations = 0, 0.0, 0.0

    def __len__(self) -> int:
        return self._n

    def add(self, values: Any) -> None:
        """Takes the next part, an array of one axis."""
        if not len(values):
            return
        n, mean = len(values), float(values.mean())
        apart, both = mean - self._mean, self._n + n
        self._deviations += float(((values - mean) ** 2).sum()) + apart**2 * self._n * n / both
        self._mean, self._n = self._mean + apart * n / both, both

    def __str__(self) -> str:
        if self._n < 2:
            return f"{self._mean:.4f}"
        return f"{self._mean:.4f} ± {(self._deviations / (self._n - 1) / self._n) ** 0.5:.4f}"


def _of_images(
    model: Any, data: str, draws: int, seed: int, pictures: Pictures | None, anomaly: bool
) -> Iterator[tuple[dict[str, Any], Any]]:
    import numpy as np

    from rheon.cli.data import notes, read_to_score
    from rheon.images import anomaly_scores

    prepare = model.preparation if pictures is None else pictures.preparation()
    given = read_to_score(data, seed, model.levels, None, prepare)
    for line in notes(given):
        note(line)
    images = given.images
    log_prob = model.log_prob(images, draws=draws, seed=seed)
    named = {} if images.names is None else {"name": list(images.names)}
    scores = {"log_prob_nats": log_prob, "bits_per_dim": model.unit.scale * -log_prob}
    if model.classes is not None:
        posterior = model.classify(images, draws=draws, seed=seed)
        told = [model.classes.names[c] for c in posterior.argmax(1)]
        scores |= {"most_probable_class": told, "class_probability": posterior.max(1)}
    if anomaly:
        odd = anomaly_scores(model, images, seed)
        scores |= {name: values for name, values in odd.items() if name != "nll"}
    scores["likelihood"] = [model.likelihood(draws)] * len(images)
    yield {"index": np.arange(len(images)), **named, **scores}, ()
