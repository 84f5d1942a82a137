import math
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
import torch

from rheon.errors import DataError, ModelError, RheonError
from rheon.tables import TableDensity, mixed
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.guessing import guess
from rheon.tables.independent import Independent
from rheon.tables.mixed import Mixed, row_noise
from rheon.training import Checkpoints, Settings

N = 500


def rows(seed=0):
    """A word, a truth, a length with holes, and an income that is often 0: all of them hang together."""
    draws = np.random.default_rng(seed)
    word = draws.choice(["a", "b"], N, p=[0.7, 0.3])
    truth = draws.random(N) < np.where(word == "a", 0.2, 0.7)
    length = draws.normal(np.where(truth, 2.0, -1.0), 0.5)
    income = np.where(draws.random(N) < 0.4, 0.0, draws.gamma(3, np.where(word == "a", 1.0, 2.0)) - 5)
    missing = draws.random(N) < 0.1
    return pa.table(
        {"word": word, "truth": truth, "length": pa.array(length, mask=missing), "income": income}
    )


def fitted(table, steps=60, **settings):
    encoding = Encoding(guess(table))
    density = Mixed(encoding)
    for _ in density.training(encoding.encode(table), None, Settings(steps=steps, threads=1, **settings)):
        pass
    return density


@pytest.fixture(scope="module")
def density():
    return fitted(rows())


def every(encoding):
    """All codes, values never seen among them where there can be some."""
    levels = [n + (j not in encoding.closed) for j, n in enumerate(encoding.levels)]
    return torch.cartesian_prod(*map(torch.arange, levels)).numpy()


LINES = [np.linspace(-8, 9, 280), np.linspace(-12, 30, 280)]
"""Where a length and an income have their mass."""


def mass(density):
    """Σ_c ∫ p(c, y) dy by the trapezoidal rule."""
    encoding, total = density.encoding, 0.0
    for codes in every(encoding):
        present = encoding.present(codes[None])[0]
        lines = [line for line, there in zip(LINES, present, strict=True) if there]
        grid = np.array(list(product(*lines)))
        y = np.full((len(grid), len(present)), math.nan)
        y[:, present] = grid
        all_codes = np.repeat(codes[None], len(grid), 0)
        p = np.exp(density.log_prob(Encoded(all_codes, y, np.zeros(y.shape, dtype=bool))))
        total += p.sum() * math.prod(line[1] - line[0] for line in lines)
    return total


def test_sums_and_integrals_over_everything_come_to_one(density):
    assert density.encoding.levels == (2, 2, 2, 2)
    assert [c.kind for c in density.encoding.numbers] == ["continuous", "continuous"]
    assert mass(density) == pytest.approx(1, abs=1e-3)


def test_probabilities_of_steps_sum_to_one(monkeypatch):
    table = rows().set_column(3, "income", pa.array(np.random.default_rng(1).integers(0, 60, N)))
    density = fitted(table.drop_columns(["length"]))
    assert density.encoding.on_grid.tolist() == [True]
    # Noise at the middle of each of 16 parts of a step makes the mean over draws an integral.
    monkeypatch.setattr(mixed, "row_noise", lambda codes, y, seed, draw: np.full(y.shape, (draw + 0.5) / 16))
    total = 0.0
    for codes in every(density.encoding):
        y = np.arange(-60.0, 140.0)[:, None]
        some = Encoded(np.repeat(codes[None], len(y), 0), y, np.zeros(y.shape, dtype=bool))
        total += np.exp(density.log_prob(some, draws=16)).sum()
    assert total == pytest.approx(1, abs=1e-3)


def test_samples_have_the_density_that_is_said(density):
    codes, y = density.sample(40_000, None, 1.0, torch.Generator().manual_seed(0))
    for some in ([0, 0], [1, 1], [1, 0]):
        mine = (codes[:, :2] == some).all(1)
        table = density.encoding.encode(rows())
        known = Encoded(np.array([[*some, -1, -1]]), np.full((1, 2), math.nan), np.ones((1, 2), dtype=bool))
        p = float(np.exp(density.log_prob(known, draws=8)[0]))
        # What was never seen has a probability too, of which no samples are drawn.
        assert mine.mean() == pytest.approx(p, abs=0.03 * p + 0.01)
        assert len(table) == N
    present = density.encoding.present(codes)
    assert np.array_equal(np.isnan(y), ~present)


def test_it_learned_how_columns_hang_together(density):
    known, new = (density.encoding.encode(rows(seed)) for seed in (0, 1))
    alone = Independent(density.encoding, known).log_prob(new)
    assert float((density.log_prob(new) - alone).mean()) > 0.4


def test_independent_columns_are_the_product_of_columns(density):
    known, new = (density.encoding.encode(rows(seed)) for seed in (0, 1))
    parts = 0
    for name in rows().column_names:
        one = Encoding(density.encoding.schema.pick([name]))
        parts = parts + Independent(one, one.encode(rows())).log_prob(one.encode(rows(1)))
    assert Independent(density.encoding, known).log_prob(new) == pytest.approx(parts, abs=1e-4)


def test_one_unknown_number_is_integrated_out_exactly(density):
    encoding = density.encoding
    some = encoding.encode(rows(2)).take(slice(0, 40))
    open_ = np.flatnonzero(~np.isnan(some.y[:, 0]))[:3]
    for row in open_:
        y = np.repeat(some.y[row : row + 1], 20_001, 0)
        y[:, 0] = np.linspace(-12, 12, len(y))
        codes = np.repeat(some.codes[row : row + 1], len(y), 0)
        every_value = density.log_prob(Encoded(codes, y, np.zeros(y.shape, dtype=bool)))
        expected = np.log(np.trapezoid(np.exp(every_value), y[:, 0]))
        holes = np.array([[True, False]])
        hidden = Encoded(some.codes[row : row + 1], np.where(holes, math.nan, some.y[row : row + 1]), holes)
        assert density.log_prob(hidden)[0] == pytest.approx(expected, abs=1e-5)


def test_an_unknown_code_is_summed_out_exactly(density):
    some = density.encoding.encode(rows(2)).take(slice(0, 30))
    unknown = Encoded(some.codes.copy(), some.y, some.holes)
    unknown.codes[:, 0] = -1
    parts = []
    for level in range(density.encoding.levels[0]):
        codes = some.codes.copy()
        codes[:, 0] = level
        parts.append(density.log_prob(Encoded(codes, some.y, some.holes)))
    assert density.log_prob(unknown) == pytest.approx(np.logaddexp(*parts), abs=1e-9)


def test_two_unknown_numbers_are_close_to_their_integral(density):
    codes = np.array([[0, 0, 0, 0]])
    y = np.array(list(product(*LINES)))
    every_value = density.log_prob(Encoded(np.repeat(codes, len(y), 0), y, np.zeros(y.shape, dtype=bool)))
    expected = np.log(np.exp(every_value).sum() * math.prod(line[1] - line[0] for line in LINES))
    hidden = Encoded(codes, np.full((1, 2), math.nan), np.ones((1, 2), dtype=bool))
    assert density.log_prob(hidden, draws=16)[0] == pytest.approx(expected, abs=0.02)


def test_a_row_has_the_same_bits_in_any_company(density):
    whole = density.encoding.encode(rows(3))
    scores = density.log_prob(whole, draws=2)
    for part in (slice(7, 8), slice(100, 350)):
        assert np.array_equal(density.log_prob(whole.take(part), draws=2), scores[part])


def test_noise_is_a_function_of_the_row():
    codes, y = np.array([[1, 2], [1, 2], [1, 3]]), np.array([[3.0, math.nan]] * 3)
    noise = row_noise(codes, y, 0, 0)
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])
    assert not np.array_equal(noise, row_noise(codes, y, 1, 0))
    assert ((noise >= 0) & (noise < 1)).all()


def test_it_goes_through_its_files(density):
    again = Mixed.from_files(density.encoding, density.config(), density.tensors())
    whole = density.encoding.encode(rows(4))
    assert np.array_equal(again.log_prob(whole), density.log_prob(whole))
    with pytest.raises(ModelError):
        Mixed.from_files(density.encoding, {**density.config(), "members": 1}, density.tensors())
    with pytest.raises(ModelError, match="lacks"):
        Mixed.from_files(density.encoding, {}, density.tensors())


def test_what_cannot_be(density):
    with pytest.raises(DataError, match="10 rows are too few"):
        fitted(rows().slice(0, 10))
    with pytest.raises(RheonError, match="learned nothing"):
        Mixed(density.encoding).log_prob(density.encoding.encode(rows()))
    with pytest.raises(RheonError, match="what is given"):
        density.log_prob(density.encoding.encode(rows()), torch.zeros(N, 1))


def test_the_figure_of_a_grid_is_per_unit_whatever_its_steps_are():
    """The same whole numbers, told in hundredths: log p grows by log 100, and P = δ p sums to one."""
    draws = np.random.default_rng(1)
    whole = np.rint(draws.normal(0, 40, N)).astype(int)
    tables = [pa.table({"x": x}) for x in (whole, whole / 100)]
    grids = [guess(table).columns[0] for table in tables]
    assert [(c.kind, c.step) for c in grids] == [("integer", 1.0), ("stepped", 0.01)]
    a, b = (fitted(table, steps=40) for table in tables)
    scores = [d.log_prob(d.encoding.encode(table)) for d, table in zip((a, b), tables, strict=True)]
    np.testing.assert_allclose(scores[1] - scores[0], math.log(100), atol=1e-9)
    assert b.unit(0.0) - a.unit(0.0) == pytest.approx(math.log(100))
    at = pa.table({"x": np.arange(-300, 301) / 100})
    p = np.exp(b.log_prob(b.encoding.encode(at), draws=20))
    assert 0.01 * p.sum() == pytest.approx(1, abs=0.02)
    independent = [Independent(d.encoding, d.encoding.encode(t)) for d, t in zip((a, b), tables, strict=True)]
    simple = [i.log_prob(d.encoding.encode(t)) for i, d, t in zip(independent, (a, b), tables, strict=True)]
    np.testing.assert_allclose(simple[1] - simple[0], math.log(100), atol=1e-9)


def test_a_run_that_goes_on_has_the_same_weights(tmp_path):
    def run(stop=None, folder="c"):
        model = TableDensity()
        checkpoints = Checkpoints(tmp_path / folder, tell=print)
        for record in model.training(rows(), Settings(steps=12, threads=1), checkpoints):
            if record.step == stop:
                checkpoints.save()
                break
        return model

    wanted = run(folder="other")
    run(stop=5)
    assert np.array_equal(run().log_prob(rows()), wanted.log_prob(rows()))
    run(stop=5)
    other = TableDensity(given=["word"])
    records = other.training(rows(), Settings(steps=12, threads=1), Checkpoints(tmp_path / "c", tell=print))
    with pytest.raises(RheonError, match=r"differs in .*given"):
        next(records)
