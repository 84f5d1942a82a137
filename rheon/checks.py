"""Is a trained density right? The battery of ``check_flow`` on its flows, and what there is beside flows."""

from typing import Any

import numpy as np
import torch

from rheon.errors import RheonError
from rheon.evaluation.check import check_flow
from rheon.evaluation.report import Check, Report, measured
from rheon.images import ImageDensity
from rheon.tables import TableDensity, read_table
from rheon.tables.checking import check_rows

_SOME = 8


def check(
    model: ImageDensity | TableDensity, data: Any = None, *, seed: int = 0, seconds: float = 60.0
) -> Report:
    """Checks that what a model gives are densities, in words and numbers.

    Every flow of the model goes through :func:`~rheon.check_flow`; of the flows of a mixed table, given codes
    that the model draws; of several flows the worst figure is told. Codes of a table are summed over, where
    there are up to 65,536 of them, and their shares among draws are set beside P. Whole rows or images, in
    the data's own units, must have a finite score that is the same to the bit alone and beside others.

    Args:
        model: a fitted or loaded density.
        data: rows or images to try it on; the model's own draws unless given. Of a conditional table they
            say what is given.
        seed: of everything that is random.
        seconds: the longest that the Jacobian of one flow may take; where it would be more it is left out.

    >>> from rheon.datasets import TOYS
    >>> found = check(TableDensity().fit(TOYS["moons"].sample(200, seed=0), steps=20))
    >>> found.passed
    True
    """
    if isinstance(model, TableDensity):
        return check_rows(model, None if data is None else read_table(data), seed, seconds)
    if not isinstance(model, ImageDensity):
        raise RheonError(f"check takes an ImageDensity or a TableDensity, got a {type(model).__name__}.")
    context = None
    if model.classes is not None:
        context = model.classes.context(torch.arange(256) % len(model.classes))
    found = check_flow(model.fitted, None, context, seed=seed, seconds=seconds)
    return Report((*found.checks, *_of_whole_images(model, data, seed)), found.note)


def _of_whole_images(model: ImageDensity, data: Any, seed: int) -> list[Check]:
    images = model.read(model.sample(64, seed=seed) if data is None else data)
    images = images.take(np.random.default_rng(seed).permutation(len(images))[:64])
    together = model.log_prob(images)
    alone = [model.log_prob(images.take(np.array([i])))[0] for i in range(min(_SOME, len(images)))]
    what = "own draws" if data is None else "images"
    finite = int((~np.isfinite(together)).sum())
    differ = int((np.array(alone) != together[: len(alone)]).sum())
    return [
        measured("finite log p of images", finite, 0, f"that are not, of {len(images)} {what}"),
        measured(
            "an image's score alone and together", differ, 0, f"of {len(alone)} images whose bits differ"
        ),
    ]
