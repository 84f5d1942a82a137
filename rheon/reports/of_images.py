"""What a report says of a model of images."""

from typing import Any

import numpy as np

import rheon.reports.verdicts as verdicts
from rheon import plots
from rheon.images import ImageDensity, looks
from rheon.images.anomaly import compressed_bits
from rheon.reports.page import Section, Wanted, pictures
from rheon.verdicts import Verdict

_SHOWN = 8
_SOME = 2000
"""Images that are scored at most: a report should take a minute."""


def image_findings(model: ImageDensity, data: Any, seed: int) -> tuple[list[Verdict], list[Section]]:
    """Verdicts and sections; ``data`` None: draws alone."""
    temperatures = (
        "temperatures",
        lambda: plots.temperatures(model, _SHOWN, seed),
        "The same draws at temperatures from 0 to 1.",
    )
    if data is None:
        new = ("draws", lambda: plots.draws(model, seed=seed), "New images.")
        return [], [Section("Draws", [*pictures(new, temperatures)])]
    read = model.read(data)
    some = np.sort(np.random.default_rng(seed).permutation(len(read))[:_SOME])
    images = read.take(some).array
    drawn = looks.at_temperatures(model, 64, (1.0,), seed)[0]
    _, distance = looks.nearest(drawn, images)
    _, usual = looks.nearest(images[: len(images) // 2][:200], images[len(images) // 2 :])
    found = [verdicts.copies(distance, usual), *_against_files(model, images, seed)]
    beside, held = _beside(model, images, seed), _held(model, images[:_SHOWN], seed)
    return found, [
        Section("Draws", [*pictures(beside[0], temperatures, *beside[1:])]),
        Section("What it holds", [*pictures(*held)]),
    ]


def _beside(model: ImageDensity, images: np.ndarray, seed: int) -> list[Wanted]:
    nearest = "Drawn images, and the nearest image of the data to each."
    return [
        ("draws", lambda: plots.draws(model, images, seed=seed), "New images beside real ones."),
        ("nearest", lambda: plots.nearest(model, images, _SHOWN, seed), nearest),
    ]


def _held(model: ImageDensity, shown: np.ndarray, seed: int) -> list[Wanted]:
    scales = "What each scale holds: finer latents are drawn anew from row to row."
    between = "The way between four images, which stand in the corners."
    return [
        ("scales", lambda: plots.scales(model, shown, seed), scales),
        ("interpolation", lambda: plots.interpolation(model, shown[:4], _SHOWN, seed), between),
        ("bits", lambda: plots.bits(model, shown, seed), "Where in each image its bits are."),
    ]


def _against_files(model: ImageDensity, images: np.ndarray, seed: int) -> list[Verdict]:
    bits = float(model.bits_per_dim(model.read(images), seed=seed).mean())
    files = float(compressed_bits(images, model.levels or 256).mean() / images[0].size)
    told = f"{bits:.3f} bits/dim ({model.likelihood()}) on these images"
    if bits < files:
        text = f"{told}, where PNG or lossless WebP take {files:.3f}."
        return [Verdict("good", text)]
    return [
        Verdict(
            "fair",
            f"{told}; PNG or lossless WebP take less, {files:.3f}.",
            "A general compressor knows more about them: train longer.",
        )
    ]
