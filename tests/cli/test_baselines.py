"""What stands beside a likelihood, and that it is had in the first seconds."""

import time

import numpy as np
import pyarrow as pa
import pytest

from rheon.cli import baselines as module
from rheon.cli.baselines import baselines
from rheon.cli.data import Data, read
from rheon.datasets import TOYS
from rheon.evaluation import gaussian_log_prob, histogram_bits_per_dim
from rheon.images import read_images
from rheon.tables import Column, Schema, read_table


def test_rows_beside_one_gaussian_a_mixture_and_the_truth():
    learn, test = read("moons", seed=0).split(0.2, 0)
    found = baselines(learn, test, 0)
    rows, known = (np.stack(part.table.data.columns, 1) for part in (test, learn))
    assert found["true_log_prob"] == pytest.approx(TOYS["moons"].log_density(rows).mean())
    expected = np.linalg.slogdet(2 * np.pi * np.e * np.cov(known.T))[1] / -2
    assert found["gaussian_log_prob"] == pytest.approx(expected, abs=0.03), "minus the entropy of a Gaussian"
    assert found["gaussian_log_prob"] < found["mixture_log_prob"] < found["true_log_prob"]
    assert 0 < found["gaussian_log_prob_error"] < 0.02


def test_images_beside_a_histogram_and_gaussians():
    learn, test = read("digits").split(0.2, 0)
    found = baselines(learn, test, 0)
    images, tested = learn.images.array, test.images.array
    assert found["histogram_bits_per_dim"] == pytest.approx(
        histogram_bits_per_dim(images[np.random.default_rng(0).permutation(len(images))], tested, 17),
        abs=0.01,
    )
    flat = [
        part.reshape(len(part), -1) + np.random.default_rng(0).random((len(part), 64))
        for part in (images, tested)
    ]
    gaussian = -gaussian_log_prob(*flat).mean() / (64 * np.log(2))
    assert found["gaussian_bits_per_dim"] == pytest.approx(gaussian, abs=0.05)
    assert found["mixture_bits_per_dim"] < found["gaussian_bits_per_dim"]


@pytest.mark.parametrize("kind", ["many rows", "large images"])
def test_of_many_some_are_taken(kind, monkeypatch):
    """So that the time has a bound; what is fitted and scored is counted, not timed."""
    rng = np.random.default_rng(0)
    sizes = []
    gaussian = module.gaussian_log_prob

    def counted(train, test):
        sizes.append((len(train), len(test)))
        return gaussian(train, test)

    monkeypatch.setattr(module, "gaussian_log_prob", counted)
    monkeypatch.setattr(module, "_MOST_ROWS", 300)
    monkeypatch.setattr(module, "_VALUES", 256 * 100)
    if kind == "many rows":
        content = read_table(rng.normal(size=(3000, 3)))
    else:
        content = read_images(rng.integers(0, 256, (900, 16, 16), dtype=np.uint8))
    learn, test = Data(content, "x").split(0.2, 0)
    assert len(baselines(learn, test, 0)) >= 3
    assert sizes == [(300, 300 if kind == "many rows" else 100)]


def test_what_cannot_be_had_is_left_out_with_a_note(capsys):
    content = read_table(np.random.default_rng(0).normal(size=(60, 2)))
    _, test = Data(content, "x").split(0.2, 0)
    both = Schema((Column("x0", "continuous"), Column("x1", "continuous")))
    flat = read_table(np.c_[np.arange(48.0), np.full(48, 3.0)])
    assert baselines(Data(flat, "x"), test, 0, both) == {}
    assert "left out: gaussian log prob (column 1 of train does not vary" in capsys.readouterr().err


def test_mixed_rows_beside_independent_columns():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 600)
    table = pa.table({"a": a, "b": a + rng.integers(0, 2, 600)})
    learn, test = Data(read_table(table), "x").split(0.2, 0)
    found = baselines(learn, test, 0)
    shares = [np.bincount(learn.table.data[name], minlength=4) / 480 for name in ("a", "b")]
    expected = sum(np.log(share[test.table.data[n]]).mean() for n, share in zip("ab", shares, strict=True))
    assert found["independent_log_prob"] == pytest.approx(expected, abs=0.02)
    assert set(found) == {"independent_log_prob", "independent_log_prob_error"}


@pytest.mark.slow
def test_images_of_3072_values_take_seconds():
    rng = np.random.default_rng(0)
    content = read_images(rng.integers(0, 256, (10_000, 32, 32, 3), dtype=np.uint8))
    learn, test = Data(content, "x").split(0.2, 0)
    start = time.process_time()
    assert set(baselines(learn, test, 0)) >= {"histogram_bits_per_dim", "gaussian_bits_per_dim"}
    assert time.process_time() - start < 30
