"""What a report says of a model of images."""

from typing import Any

import numpy as np

import rheon.reports.verdicts as verdicts
from rheon.errors import RheonError
from rheon.images import ImageDensity, looks
from rheon.images.anomaly import compressed_bits
from rheon.reports.page import Facts, Picture, Section, Verdict
from rheon.reports.sheet import heat, labelled_rows, sheet, side_by_side

_SHOWN = 8
_SOME = 2000
"""Images that are scored at most: a report should take a minute."""


def image_findings(model: ImageDensity, data: Any, seed: int) -> tuple[list[Verdict], list[Section]]:
    """Verdicts and sections; ``data`` None: draws alone."""
    levels = model.levels or 256
    rows = looks.at_temperatures(model, _SHOWN, seed=seed)
    named = {f"T = {T:g}": row for T, row in zip(looks.TEMPERATURES, rows, strict=True)}
    temperatures = Picture(labelled_rows(named, levels), "The same draws at temperatures from 0 to 1.")
    if data is None:
        new = looks.at_temperatures(model, 64, (1.0,), seed)[0]
        return [], [Section("Draws", [Picture(sheet(new, levels), "New images."), temperatures])]
    read = model.read(data)
    some = np.sort(np.random.default_rng(seed).permutation(len(read))[:_SOME])
    images = read.take(some).array
    shown = images[:_SHOWN]
    new = looks.at_temperatures(model, max(64, _SHOWN), (1.0,), seed)[0]
    index, distance = looks.nearest(new, images)
    half = len(images) // 2
    _, usual = looks.nearest(images[:half][:200], images[half:])
    found = [verdicts.copies(distance, usual), *_against_files(model, images, seed), _alone(model, images)]
    sections = [
        Section(
            "Draws",
            [
                Picture(side_by_side({"drawn": new, "real": images}, levels), "New images beside real ones."),
                temperatures,
                Picture(
                    labelled_rows({"drawn": new[:_SHOWN], "nearest": images[index[:_SHOWN]]}, levels),
                    "Drawn images, and the nearest image of the data to each.",
                ),
            ],
        ),
        Section("What it holds", _holdings(model, shown, levels, seed)),
    ]
    return found, sections


def _against_files(model: ImageDensity, images: np.ndarray, seed: int) -> list[Verdict]:
    bits = float(model.bits_per_dim(model.read(images), seed=seed).mean())
    files = float(compressed_bits(images, model.levels or 256).mean() / images[0].size)
    if bits < files:
        text = f"{bits:.3f} bits/dim on these images, where PNG or lossless WebP take {files:.3f}."
        return [Verdict("good", text)]
    return [
        Verdict(
            "fair",
            f"{bits:.3f} bits/dim on these images; PNG or lossless WebP take less, {files:.3f}.",
            "A general compressor knows more about them: train longer.",
        )
    ]


def _alone(model: ImageDensity, images: np.ndarray) -> Verdict:
    together = model.log_prob(model.read(images[:7]))
    alone = [model.log_prob(model.read(images[i : i + 1]))[0] for i in range(len(images[:7]))]
    return verdicts.batches(bool((together == np.array(alone)).all()))


def _holdings(model: ImageDensity, shown: np.ndarray, levels: int, seed: int) -> list[str | Facts | Picture]:
    parts: list[str | Facts | Picture] = []

    def add(draw: Any, caption: str) -> None:
        try:
            parts.append(Picture(draw(), caption))
        except RheonError as error:
            parts.append(f"Left out: {caption} ({error})")

    def scales() -> Any:
        rows = looks.scales(model, shown, seed)
        last = len(rows) - 1
        names = ["the image", *(f"{j} of {last} drawn anew" for j in range(1, last + 1))]
        return labelled_rows(dict(zip(names, rows, strict=True)), levels)

    def bits() -> Any:
        maps = looks.bits_map(model, shown, seed)
        most = float(np.quantile(maps, 0.995))
        grey = np.rint(shown * (255 / (levels - 1))).astype(np.uint8)
        colours = grey if grey.shape[1] == 3 else grey[:, :1].repeat(3, 1)
        return labelled_rows({"image": colours, f"bits, 0 to {most:.1f}": heat(maps, most)})

    def between() -> Any:
        grid = looks.interpolation(model, shown[:4], _SHOWN, seed)
        return sheet(grid.reshape(-1, *grid.shape[2:]), levels, columns=_SHOWN)

    add(scales, "What each scale holds: finer latents are drawn anew from row to row.")
    if len(shown) >= 4:
        add(between, "The way between four images, which stand in the corners.")
    add(bits, "Where in each image its bits are.")
    return parts
