import math
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import rheon
from rheon.errors import RheonError
from rheon.training import Rows, Settings, step_generator, train
from rheon.training.order import Order
from rheon.training.watch import mean_nats


def weights(flow: nn.Module) -> list[list[float]]:
    return [tensor.flatten().tolist() for tensor in flow.state_dict().values()]


def run(flow, source, validation=None, **settings):
    return list(train(flow, source, validation, Settings(**{"threads": 1, **settings})))


def test_maximum_likelihood_of_a_normal_in_closed_form(normal, rows):
    records = run(normal, Rows(rows), steps=400, batch_size=400, learning_rate=0.05, weight_decay=0.0)
    deviation, mean = torch.std_mean(rows, 0, correction=0)
    torch.testing.assert_close(normal.mean, mean, atol=2e-3, rtol=0)
    torch.testing.assert_close(normal.log_scale.exp(), deviation, atol=2e-3, rtol=0)
    best = (deviation.log() + 0.5 * math.log(2 * math.pi * math.e)).sum().item()
    assert records[-1].loss == pytest.approx(best, abs=1e-4)
    assert not normal.training


def test_the_records_tell_the_run(normal, rows):
    records = run(normal, Rows(rows), Rows(rows), steps=40, batch_size=100, validate_every=0.25, warmup=0.1)
    assert [record.step for record in records] == list(range(1, 41))
    rates = [record.learning_rate for record in records]
    assert rates.index(max(rates)) == 4  # warm-up: the first tenth of forty steps
    assert rates[-1] < 0.01 * max(rates)
    assert [r.step for r in records if r.validation is not None] == [11, 25, 39, 40]
    seconds = [record.seconds for record in records]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert records[-1].remaining == 0.0
    assert all(record.remaining > 0 for record in records[:-1])
    assert records[-1].rows_per_second > 40 * 100 / seconds[-1]
    assert {(record.skipped, record.threads) for record in records} == {(0, 1)}


def test_a_source_that_asks_for_it_is_told_what_the_next_batch_will_be(normal, rows):
    class Noted(Rows):
        def batch(self, rows, generator):
            said.append(("batch", rows.tolist(), generator.initial_seed()))
            return super().batch(rows, generator)

        def expect(self, rows, generator):
            said.append(("expect", rows.tolist(), generator.initial_seed()))

    said = []
    run(normal, Noted(rows), steps=5, batch_size=150, seed=3)
    order = Order(400, 150, seed=3)
    steps = [(order.rows(s).tolist(), step_generator(3, s).initial_seed()) for s in range(6)]
    expected = []
    for step in (0, 0, 1, 2, 3, 4):  # the first also shows the flow some rows
        expected += [("batch", *steps[step]), ("expect", *steps[step + 1])]
    assert said == expected


def test_each_step_gets_the_rows_and_the_generator_of_its_number(normal, rows):
    class Noted(Rows):
        def batch(self, rows, generator):
            seen.append((rows.tolist(), generator.initial_seed()))
            return super().batch(rows, generator)

    seen = []
    run(normal, Noted(rows), steps=6, batch_size=150, seed=3)
    order = Order(400, 150, seed=3)
    expected = [(order.rows(s).tolist(), step_generator(3, s).initial_seed()) for s in range(6)]
    assert seen == [
        expected[0],
        *expected,
    ]  # the first once before the steps: layers take initial values from it


@pytest.mark.usefixtures("untouched_rng")
def test_same_seed_same_bits_with_noise_and_dropout(rows):
    class Dropping(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x, context=None):
            return nn.functional.dropout(-((x * self.scale) ** 2), 0.5, self.training).sum(1)

    def trained(seed):
        flow = Dropping()
        records = run(flow, Rows(rows, noise=0.1), Rows(rows), steps=30, batch_size=64, seed=seed)
        validated = [r.validation for r in records if r.validation is not None]
        assert mean_nats(flow, Rows(rows), 4 * 64, seed) == min(validated)  # without dropout
        return weights(flow), [(r.loss, r.gradient_norm, r.validation) for r in records]

    first = trained(seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert trained(seed=0) == first
    assert trained(seed=1) != first


def test_the_flow_ends_with_the_weights_that_validated_best(normal):
    """The mean moves from 0 to 6 and passes 2, which is what the validation rows have."""
    x = torch.full((50, 3), 6.0) + torch.randn(50, 3)
    validation = Rows(torch.full((50, 3), 2.0) + torch.randn(50, 3))
    normal.log_scale.requires_grad_(False)
    settings = {
        "steps": 400,
        "learning_rate": 0.05,
        "patience": 0.2,
        "validate_every": 0.01,
        "ema_decay": 0.5,
    }
    records = run(normal, Rows(x), validation, **settings)
    seen = [(record.validation, record.step) for record in records if record.validation is not None]
    best, best_step = min(seen)
    assert [record.step for record in records if record.best][-1] == best_step
    # Stopped by the first validation that is more than 0.2 of 400 steps after the best one.
    assert records[-1].step == min(step for _, step in seen if step > best_step + 80) < 400
    assert mean_nats(normal, validation, 4 * 256, seed=0) == best
    assert normal.mean.mean().item() == pytest.approx(2.0, abs=0.5)


def test_a_caller_without_gradients_can_train(normal, rows):
    with torch.no_grad():
        run(normal, Rows(rows), steps=3)
        assert not torch.is_grad_enabled()
    assert weights(normal) != [[0.0] * 3] * 2


def test_a_batch_that_is_not_finite_is_left_out_and_counted(normal, rows):
    rows[17, 1] = math.nan
    before, skipped = weights(normal), []
    for record in train(normal, Rows(rows), None, Settings(steps=20, batch_size=100, threads=1)):
        if record.skipped > len(skipped):
            assert math.isnan(record.loss)
            assert weights(normal) == before
            skipped.append(record.step)
        before = weights(normal)
    assert len(skipped) == 5  # four batches make an epoch, and one of the four has the row
    assert all(math.isfinite(value) for tensor in weights(normal) for value in tensor)


@pytest.mark.usefixtures("untouched_rng")
@pytest.mark.parametrize("ending", ["end", "close", "drop", "exception"])
def test_however_it_ends_nothing_of_the_caller_is_changed(normal, rows, ending):
    class Failing(Rows):
        def batch(self, rows, generator):
            calls.append(torch.get_num_threads())
            if ending == "exception" and len(calls) == 9:
                raise KeyboardInterrupt
            return super().batch(rows, generator)

    calls, before, random_state = [], rows.clone(), torch.get_rng_state()
    records = train(normal, Failing(rows), Rows(rows), Settings(steps=10, batch_size=100, threads=2))
    try:
        for record in records:
            assert torch.get_num_threads() == 1
            assert torch.equal(torch.get_rng_state(), random_state)
            assert normal.training
            if record.step == 6 and ending in ("close", "drop"):
                break
    except KeyboardInterrupt:
        assert ending == "exception"
    if ending == "close":
        records.close()
    del records
    assert calls == [1] + [2] * (len(calls) - 1)  # the first is no step
    assert torch.get_num_threads() == 1
    assert torch.equal(rows, before)
    assert not normal.training
    assert all(p.grad is None for p in normal.parameters())
    assert normal.mean.untyped_storage().nbytes() == 3 * 4  # its own memory again


def test_close_leaves_the_averaged_weights(normal, rows):
    settings = Settings(steps=1000, batch_size=400, learning_rate=0.1, warmup=0.0, ema_decay=0.5, threads=1)
    records = train(normal, Rows(rows), None, settings)
    average, live = torch.zeros(3), None
    for t in range(5):
        next(records)
        live = normal.mean.detach().clone()
        decay = min(0.5, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * live
    records.close()
    torch.testing.assert_close(normal.mean.detach(), average)
    assert not torch.allclose(live, average)


def test_a_budget_in_minutes_ends_on_time_with_the_rate_at_zero(normal, rows):
    start = time.perf_counter()
    records = run(normal, Rows(rows), Rows(rows), minutes=0.6 / 60)
    taken = time.perf_counter() - start
    assert 0.55 < taken < 1.0  # a busy machine may stall, but nothing comes early
    assert records[-1].learning_rate < 0.01 * Settings().learning_rate
    assert records[-1].validation is not None
    assert sum(r.validation is not None for r in records) > 5
    assert abs(records[0].remaining + records[0].seconds - 0.6) < 1e-3


def test_layers_that_wait_for_data_get_them_before_the_weights_are_copied(rows):
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = nn.Parameter(torch.zeros(3))
            self.register_buffer("ready", torch.tensor(False))

        def forward(self, x, context=None):
            if self.training and not self.ready:
                self.mean.copy_(x.mean(0))
                self.ready.fill_(True)
            return -((x - self.mean) ** 2).sum(1)

    flow = Centred().eval()
    records = train(
        flow, Rows(rows), None, Settings(steps=1000, batch_size=400, learning_rate=1e-9, threads=1)
    )
    next(records)
    records.close()
    torch.testing.assert_close(flow.mean.detach(), rows.mean(0))


def test_a_program_may_end_while_training_is_open():
    program = """
import torch
from rheon.training import Rows, Settings, train
flow = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
flow.forward = lambda x, context: torch.nn.Sequential.forward(flow, x)
records = train(flow, Rows(torch.randn(8, 2)), None, Settings(steps=9, threads=1))
next(records)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("flow", "rows", "validation", "message"),
    [
        (nn.Linear(3, 1), torch.zeros(0, 3), None, "the source has no rows"),
        (nn.Linear(3, 1), torch.zeros(2, 3), torch.zeros(0, 3), "the validation source has no rows"),
        (nn.Identity(), torch.zeros(2, 3), None, "no parameters to train"),
    ],
)
def test_what_cannot_work_is_refused_at_once(flow, rows, validation, message):
    with pytest.raises(RheonError, match=message):
        train(flow, Rows(rows), None if validation is None else Rows(validation), Settings(steps=1))


def test_a_flow_that_gives_no_log_density_per_row_is_refused(rows):
    class Wrong(nn.Linear):
        def forward(self, x, context=None):
            return super().forward(x)

    with pytest.raises(RheonError, match=r"log p for each row of x, shape \(256,\), not \(256, 2\)"):
        next(train(Wrong(3, 2), Rows(rows), None, Settings(steps=1)))


def test_context_reaches_the_flow_and_a_real_flow_learns():
    """x | c is normal around c, so the gain over ignoring c is known: half a log of the variance's ratio."""
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(2000, 1, generator=generator)
    x = torch.cat((context, -context), 1) + 0.5 * torch.randn(2000, 2, generator=generator)
    flow = rheon.architectures.realnvp(2, couplings=4, hidden=(16,), context_features=1)
    held_out = Rows(x[1500:], context[1500:])
    run(flow, Rows(x[:1500], context[:1500]), held_out, steps=600, learning_rate=1e-2)
    entropy = math.log(2 * math.pi * math.e * 0.25)
    # The rows held out have their own mean of log p under the true density: its deviation is 1/sqrt(500).
    assert mean_nats(flow, held_out, 500, seed=0) == pytest.approx(entropy, abs=4 / 500**0.5)
