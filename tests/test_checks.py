"""The battery on trained models: sound ones pass, and a fault of each part is seen."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import rheon
from rheon import ImageDensity, RheonError, TableDensity
from rheon.bijections import MaskedCoupling
from rheon.datasets import load_digits
from rheon.tables.categorical import CategoricalHeads

N = 300
RNG = np.random.default_rng(0)
WORD = RNG.choice(["a", "b"], N, p=[0.7, 0.3])
INCOME = np.where(RNG.random(N) < 0.4, 0.0, RNG.gamma(3, np.where(WORD == "a", 1.0, 2.0)) - 5)
TABLE = pa.table({"word": WORD, "truth": RNG.random(N) < 0.3, "income": INCOME})


def failed(report):
    return {check.name for check in report.failures}


def left_out(report):
    return {check.name for check in report.checks if check.passed is None}


def fitted(table, **roles):
    """A model of one member: five take five times as long, and are looked at one by one."""
    model = TableDensity(**roles).fit(table, steps=10)
    del model.learned.members[1:]
    return model


@pytest.fixture(scope="module")
def mixed():
    return fitted(TABLE)


@pytest.fixture(scope="module")
def given():
    return fitted(TABLE, given=["word"])


@pytest.mark.usefixtures("untouched_rng")
def test_mixed_rows(mixed):
    report = rheon.check(mixed)
    report.raise_if_failed()
    assert left_out(report) == {"training and evaluation mode"}
    assert {"sum of P over all codes", "integral of p", "round trip at 12 σ"} <= {
        c.name for c in report.checks
    }


def test_conditional_rows_need_rows_for_whole_ones(given):
    report = rheon.check(given)
    report.raise_if_failed()
    assert "finite log p of rows" in left_out(report)
    report = rheon.check(given, TABLE)
    report.raise_if_failed()
    assert "finite log p of rows" not in left_out(report)


def test_codes_alone():
    report = rheon.check(fitted(TABLE.select(["word", "truth"])))
    report.raise_if_failed()
    assert "round trip at 1 σ" not in {c.name for c in report.checks}


def test_images_and_classes():
    digits = load_digits()
    model = ImageDensity().fit(digits.images[:200], labels=digits.labels[:200], steps=3)
    rheon.check(model, digits.images[:20], seconds=5).raise_if_failed()


def test_heads_that_do_not_sum_to_one_are_seen(mixed, monkeypatch):
    forward = CategoricalHeads.forward
    monkeypatch.setattr(CategoricalHeads, "forward", lambda *args: forward(*args) + 0.3)
    assert {"sum of P over all codes", "drawn codes against P"} <= failed(rheon.check(mixed))


def test_draws_of_other_codes_are_seen(mixed, monkeypatch):
    sample = CategoricalHeads.sample
    monkeypatch.setattr(
        CategoricalHeads, "sample", lambda self, n, c, g, t=1.0: sample(self, n, c, g, 1.6 * t)
    )
    assert failed(rheon.check(mixed)) == {"drawn codes against P"}


def test_a_wrong_log_det_is_seen(mixed, monkeypatch):
    forward = MaskedCoupling.forward
    monkeypatch.setattr(
        MaskedCoupling, "forward", lambda f, x, c=None: (forward(f, x, c)[0], -forward(f, x, c)[1])
    )
    assert "integral of p" in failed(rheon.check(mixed))


def test_a_score_that_depends_on_its_neighbours_is_seen(mixed, monkeypatch):
    score = TableDensity.log_prob
    monkeypatch.setattr(TableDensity, "log_prob", lambda m, rows, **k: score(m, rows, **k) + 1e-9 * len(rows))
    assert failed(rheon.check(mixed)) == {"a row's score alone and together"}


def test_nan_in_what_is_there_is_no_absence():
    flow = rheon.architectures.masked.masked(2, couplings=2, width=8, context_features=2)
    log_p = flow.log_prob(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [torch.nan, 0.0]]))
    assert log_p.isnan().tolist() == [False, True]


def test_other_things_are_refused():
    with pytest.raises(RheonError, match="ImageDensity or a TableDensity"):
        rheon.check(rheon.architectures.realnvp(2))
