"""Runs that go wrong at steps that are known: what is told, what comes back, and how it ends."""

import math

import pytest
import torch
from torch import nn

from rheon.errors import DivergedError
from rheon.training import Checkpoints, Rows, Settings, train
from rheon.training.descent import Descent
from rheon.training.ema import Average
from rheon.training.randomness import step_generator
from rheon.training.rescue import IN_ROW, Rescue
from rheon.training.weights import Weights

ROWS = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))


class Scheduled(Rows):
    """Gives a batch with a value that is not finite at the steps whose numbers are listed, from 0 on."""

    def __init__(self, bad, settings):
        super().__init__(ROWS, columns=("age", "income", "tax"))
        self.bad = {step_generator(settings.seed, step).initial_seed() for step in bad}

    def batch(self, rows, generator):
        x, context = super().batch(rows, generator)
        if generator.initial_seed() in self.bad:
            x[3, 1] = math.inf
        return x, context


class Tracking(nn.Module):
    """log p of a normal with running statistics, as BatchNorm has them, which a bad batch would poison."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(3))
        self.register_buffer("running", torch.zeros(3))
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, x, context=None):
        if self.training:
            with torch.no_grad():
                self.running.lerp_(x.mean(0), 0.1)
                self.batches += 1
        return -((x - self.mean) ** 2).sum(1)


def made_settings(steps):
    return Settings(steps=steps, batch_size=32, threads=1, learning_rate=0.01, warmup=0.0, patience=None)


def run(bad, steps=240, checkpoints=None):
    settings, flow = made_settings(steps), Tracking()
    records, states, error = [], [], None
    try:
        for record in train(flow, Scheduled(bad, settings), Rows(ROWS), settings, checkpoints):
            records.append(record)
            states.append([tensor.clone() for tensor in flow.state_dict().values()])
    except DivergedError as diverged:
        error = str(diverged)
    return flow, records, states, error


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_step_left_out_moves_nothing_running_statistics_included_and_is_told():
    flow, records, states, error = run([7, 30])
    assert error is None
    assert {r.step: r.trouble for r in records if r.trouble} == {
        step: f"step {step} was left out: the batch has values that are not finite: row 3, 'income' is inf"
        for step in (8, 31)
    }
    for bad in (7, 30):
        assert equal(states[bad], states[bad - 1])
        assert not equal(states[bad + 1], states[bad])
    assert records[-1].skipped == 2
    assert all(tensor.isfinite().all() for tensor in flow.state_dict().values())


def test_only_the_first_ten_are_told_in_words():
    _, records, _, _ = run(range(1, 100, 3))
    told = [record for record in records if record.trouble]
    assert len(told) == 10
    assert told[-1].trouble.endswith("; the next ones are only counted")
    assert records[-1].skipped == 33


def test_five_in_a_row_bring_the_last_good_state_back_and_halve_the_step_size():
    _, records, states, error = run(range(130, 135))
    _, calm, calm_states, _ = run([])
    assert error is None
    # Kept at step 100: weights before it, running statistics after its forward pass.
    assert equal(states[133], states[129])
    mean, running, batches = states[134]
    assert torch.equal(mean, states[99][0])
    assert torch.equal(running, states[100][1])
    assert torch.equal(batches, states[100][2])
    assert records[134].trouble == (
        "after step 135 the last good weights came back, with 0.5 of the first step size, since 5 steps in a "
        "row were left out: the batch has values that are not finite: row 3, 'income' is inf"
    )
    ratios = [r.learning_rate / c.learning_rate for r, c in zip(records, calm, strict=True)]
    assert ratios == [1.0] * 135 + [0.5] * 105
    assert equal(states[129], calm_states[129])


def test_a_state_of_which_the_next_step_is_not_finite_is_not_kept():
    _, _, states, _ = run(range(200, 205))
    assert torch.equal(states[204][0], states[99][0])
    assert not torch.equal(states[199][0], states[99][0])


def test_four_in_a_row_do_not():
    _, records, states, _ = run([*range(130, 134), *range(135, 139)])
    assert equal(states[138], states[134])
    assert not any("came back" in (record.trouble or "") for record in records)


def test_a_run_that_is_bad_from_the_start_goes_back_to_its_first_weights():
    _, _, states, _ = run(range(6))
    assert states[4][0].tolist() == [0.0] * 3


def test_moments_and_averages_come_back_too():
    flow, settings = Tracking(), Settings(steps=1)
    weights = Weights(flow)
    descent, average = Descent(weights, settings, [flow.running]), Average(weights.moving, 0.9)
    rescue = Rescue(descent, average, [flow.running])

    def step(number, x):
        slope = descent.slope(flow, x, None)
        rescue.keep(number, slope.finite)
        descent.step(slope, 0.1)
        average.update()
        return rescue.look(number, lambda step: f"fault of {step}")

    def moving():
        return [tensor.clone() for tensor in (*descent.moving(), *average.values)], average.updates

    kept = None
    for number in range(103):
        if number == 100:
            kept = moving()
        assert step(number, ROWS) is None
    assert not equal(moving()[0], kept[0])
    told = [step(number, ROWS / 0) for number in range(103, 108)]
    now = moving()
    assert now[1] == kept[1] == 100
    assert equal(now[0], kept[0])
    assert told[:4] == [f"step {n} was left out: fault of {n - 1}" for n in range(104, 108)]
    assert descent.in_row == 0


def test_after_three_returns_training_ends_with_the_best_weights():
    flow, records, _, error = run(range(120, 240))
    assert records[-1].step == 120 + 4 * IN_ROW
    assert records[-1].trouble.startswith("step 140 ended training: the batch has")
    assert [r.step for r in records if "came back" in (r.trouble or "")] == [125, 130, 135]
    assert records[-2].learning_rate < 0.2 * records[119].learning_rate
    assert "row 3, 'income' is inf" in error
    assert "try a smaller learning rate" in error
    best = min((r for r in records if r.validation is not None), key=lambda r: r.validation)
    with torch.no_grad():
        assert -flow(ROWS).mean().item() == pytest.approx(best.validation, rel=1e-6)
    assert not flow.training


@pytest.mark.parametrize("bad", [range(120, 125), [*range(120, 125), *range(150, 155)], range(120, 240)])
def test_interrupted_anywhere_it_goes_on_to_the_bit(tmp_path, bad):
    flow, records, _, error = run(bad, steps=160)

    def seen(records):
        return [(r.step, r.learning_rate, r.trouble, r.skipped, r.validation, r.best) for r in records]

    for number, stop in enumerate((99, 101, 122, 124, 125, 126, 137, 139)):
        folder = tmp_path / str(number) / "checkpoint"
        settings = made_settings(160)
        first = Checkpoints(folder)
        part = train(Tracking(), Scheduled(bad, settings), Rows(ROWS), settings, first)
        assert any(record.step == stop for record in part)
        assert first.save()
        part.close()
        told = []
        other, again, _, same = run(bad, steps=160, checkpoints=Checkpoints(folder, tell=told.append))
        assert told
        assert seen(again) == seen(records)
        assert same == error
        assert equal(list(other.state_dict().values()), list(flow.state_dict().values()))


def test_a_run_that_was_given_up_is_given_up_again(tmp_path):
    folder = tmp_path / "m" / "checkpoint"
    run(range(120, 240), checkpoints=Checkpoints(folder))
    flow, records, _, error = run(range(120, 240), checkpoints=Checkpoints(folder, tell=lambda _: None))
    assert records[-1].step == 140
    assert error is not None
    assert all(tensor.isfinite().all() for tensor in flow.state_dict().values())
