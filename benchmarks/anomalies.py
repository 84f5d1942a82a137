"""How well each score finds digits among clothes: trained on Fashion-MNIST, AUC of every anomaly score.

    python -m benchmarks.anomalies FASHION_DIR --seconds 60

FASHION_DIR holds Fashion-MNIST's IDX files. The odd images are scikit-learn's digits, enlarged to 28×28; the
ordinary ones are test images of clothes. The area under the ROC curve is 1 for a score by which every odd
image stands above every ordinary one, and ½ for one that tells nothing.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import mannwhitneyu

from rheon import ImageDensity
from rheon.datasets import load_digits
from rheon.images import anomaly_scores, read_images
from rheon.images.anomaly import RECOMMENDED

WAYS = {"smooth": Image.Resampling.BICUBIC, "blocks": Image.Resampling.NEAREST}


def main() -> None:
    """Trains, scores, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--images", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    clothes = read_images(words.folder)
    assert clothes.test is not None
    model = ImageDensity()
    settings = model.settings(minutes=words.seconds / 60, seed=words.seed, threads=1)
    model.fit(clothes, settings=settings)
    ordinary = anomaly_scores(model, clothes.test.take(np.arange(words.images)))
    print(f"{len(model.history):,} steps in {words.seconds:g} s of one thread")
    print(f"| digits enlarged | {' | '.join(ordinary)} |\n|---|{'--:|' * len(ordinary)}")
    for name, way in WAYS.items():
        odd = anomaly_scores(model, enlarged(words.images, way))
        areas = {score: auc(odd[score], ordinary[score]) for score in odd}
        cells = (
            f"**{area:.3f}**" if score == RECOMMENDED else f"{area:.3f}" for score, area in areas.items()
        )
        print(f"| {name} | {' | '.join(cells)} |")


def enlarged(n: int, way: Image.Resampling) -> np.ndarray:
    """The first n digits, 8×8 with 17 levels, as (n, 28, 28) with 256."""
    spread = np.rint(load_digits().images[:n] * (255 / 16)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((28, 28), way)) for image in spread])


def auc(odd: np.ndarray, ordinary: np.ndarray) -> float:
    """The probability that an odd image has a higher score than an ordinary one."""
    return float(mannwhitneyu(odd, ordinary).statistic) / (len(odd) * len(ordinary))


if __name__ == "__main__":
    main()
