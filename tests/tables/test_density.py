"""TableDensity: exact in the columns' own units, whatever the units; bits that do not depend on the batch."""

import numpy as np
import pytest
import torch

import rheon
from rheon import DataError, RheonError, TableDensity
from rheon.evaluation import integral
from rheon.tables import Column, Schema
from rheon.training import Settings

RNG = np.random.default_rng(0)
ROWS = np.stack([RNG.normal(size=1500), RNG.normal(size=1500) ** 2, RNG.gamma(2.0, size=1500)], 1)
SETTINGS = Settings(steps=60, threads=1)


@pytest.fixture(scope="module")
def model() -> TableDensity:
    return TableDensity().fit(ROWS, settings=SETTINGS)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 31, 1000])
def test_a_score_has_the_same_bits_in_any_batch(model, size):
    whole = model.log_prob(ROWS)
    assert np.array_equal(model.log_prob(ROWS[5 : 5 + size]), whole[5 : 5 + size])


@pytest.mark.parametrize("columns", [5, 7, 9, 10])
def test_a_score_has_the_same_bits_wherever_its_row_stands(columns):
    rows = np.random.default_rng(0).normal(size=(2100, columns))
    model = TableDensity().fit(rows, steps=3)
    whole = model.log_prob(rows)
    for first in (1, 17, 601, 1500):
        assert np.array_equal(model.log_prob(np.roll(rows, -first, 0)), np.roll(whole, -first))


def test_a_change_of_units_by_powers_of_two_changes_nothing_but_the_unit(model):
    """log p(a x + b) = log p(x) - Σ log |a|, trained anew on the changed rows; powers of two: same bits."""
    factor = np.array([2.0**20, 2.0**-15, 2.0**3])
    changed = TableDensity().fit(ROWS * factor, settings=SETTINGS)
    for name, tensor in model.fitted.state_dict().items():
        assert torch.equal(tensor, changed.fitted.state_dict()[name])
    np.testing.assert_allclose(
        changed.log_prob(ROWS * factor) + np.log(factor).sum(), model.log_prob(ROWS), rtol=0, atol=1e-12
    )


def test_a_large_offset_costs_no_digits():
    """Standardised in float64: 2^40 + x with steps of 2^-10 would be a constant in float32."""
    steps = np.round(ROWS * 1024) / 1024
    schema = Schema(tuple(Column(f"x{i}", "continuous") for i in range(3)))
    moved = TableDensity(schema=schema).fit(steps + 2.0**40, settings=SETTINGS)
    z = (steps - steps.mean(0)) / steps.std(0)
    learned = moved.learned.continuous.preprocessing.layers[0](torch.from_numpy(steps + 2.0**40))[0].numpy()
    np.testing.assert_allclose((learned - learned.mean(0)) / learned.std(0), z, atol=1e-3)
    assert len(np.unique(moved.log_prob(steps + 2.0**40))) > 1400


def test_the_density_integrates_to_one_in_its_own_units():
    rows = np.stack([1e3 + 5 * RNG.normal(size=800), 1e-3 * RNG.normal(size=800)], 1)
    model = TableDensity("realnvp").fit(rows, settings=SETTINGS)
    mass = integral(lambda x: torch.from_numpy(model.log_prob(x.numpy())), [(950, 1050), (-0.01, 0.01)])
    assert mass == pytest.approx(1, abs=2e-3)


def test_save_and_load_give_the_same_bits(model, tmp_path):
    model.save(tmp_path / "t.rheon")
    loaded = rheon.load(tmp_path / "t.rheon")
    assert isinstance(loaded, TableDensity)
    assert np.array_equal(loaded.log_prob(ROWS), model.log_prob(ROWS))
    assert np.array_equal(loaded.sample(9, seed=1), model.sample(9, seed=1))


def test_columns_are_found_by_name():
    import pandas as pd

    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    model = TableDensity().fit(frame, steps=2)
    expected = model.log_prob(frame)
    assert np.array_equal(model.log_prob(frame[["c", "a", "b"]]), expected)
    with pytest.raises(DataError, match="b"):
        model.log_prob(frame[["a", "c"]])


def test_one_column_is_a_density_too():
    model = TableDensity().fit(ROWS[:, 1], settings=SETTINGS)
    assert model.sample(4).shape == (4, 1)
    mass = integral(lambda x: torch.from_numpy(model.log_prob(x.numpy())), [(-20, 60)], tolerance=3e-6)
    assert mass == pytest.approx(1, abs=1e-5)


def test_samples_follow_the_columns(model, untouched_rng):
    samples = model.sample(4000, seed=0)
    assert samples.shape == (4000, 3)
    assert np.array_equal(samples, model.sample(4000, seed=0))
    np.testing.assert_allclose(samples.mean(0), ROWS.mean(0), atol=0.5)
    assert model.round_trip_error(ROWS) < 1e-3


def test_wrong_use_is_refused_in_words(model):
    with pytest.raises(RheonError, match=r"call fit\(data\) first"):
        TableDensity().sample(3)
    with pytest.raises(DataError, match="too few"):
        TableDensity().fit(ROWS[:5], steps=1)
    with pytest.raises(RheonError, match="known for tables"):
        TableDensity("glow")
    with pytest.raises(RheonError, match="settings"):
        TableDensity().fit(ROWS, steps=1, settings=SETTINGS)
