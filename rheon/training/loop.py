"""Maximum likelihood: argmax_θ Σ_i log p_θ(x_i), as a generator of records.

The loop knows nothing of bars, files or plots: whoever iterates over it prints, logs or stops. What a run
carries from one step to the next is its ``State``: the order of the data and all noise are functions of
(seed, step). So a run that goes on from a saved state takes the same steps, to the bit, as one that
was never interrupted.
"""

import sys
from collections.abc import Generator, Sequence

import torch
from torch import Tensor, nn

from rheon.errors import RankLostError, RheonError
from rheon.training.budget import Budget
from rheon.training.checkpoints import Checkpoints, Nowhere
from rheon.training.compiled import Compiled
from rheon.training.economy import as_trained
from rheon.training.fault import find_fault
from rheon.training.order import order_of
from rheon.training.processes import Alone, ranks
from rheon.training.randomness import lent_global_rng, step_generator
from rheon.training.record import Record, reading
from rheon.training.schedule import learning_rate
from rheon.training.settings import Settings
from rheon.training.shared import Shared
from rheon.training.source import Source
from rheon.training.state import State
from rheon.training.threads import choose_threads, lent_threads


def train(
    flow: nn.Module,
    source: Source,
    validation: Source | None,
    settings: Settings,
    checkpoints: Checkpoints | None = None,
) -> Generator[Record, None, None]:
    """Trains a flow, and yields a :class:`Record` after each step.

    However training ends (budget, early stop, ``close()``, an exception), the flow then is in evaluation mode
    and holds the averaged weights that validated best, or the last averaged ones if none were validated.
    Until then it is in training mode and holds the current weights, in memory that they share: they may be
    read, but neither replaced nor moved.

    With ``checkpoints`` the run saves itself now and then. One that finds itself there goes on: it yields
    the records of the steps that were made, and then makes the others, as if it had never been interrupted.
    Between two yields ``checkpoints.save()`` saves what there is.

    Where ``torch.distributed`` was initialised, all its processes train the flow together: each calls this
    with the same arguments and takes its part of every batch; the first alone writes checkpoints.

    At every yield the thread count and the global random state are the caller's. The same seed, budget in
    steps and number of threads give the same bits.

    Args:
        flow: module with flow(x, context) = log p(x), shape (B,), in nats.
        source: the rows to learn.
        validation: the rows that choose the best weights, or None; more than some thousands only take time.
        settings: budget, optimiser, seed, threads.
        checkpoints: where to save the run and to go on from, or None.

    Raises:
        RheonError: a source is empty, nothing can be trained, or not by these settings, or (at the first
            step) log p has a wrong shape, or the checkpoints are of another run, or several processes train
            a flow with running statistics, or one of them has ended.
        DivergedError: after the last record, where loss or gradient were not finite time and again, though
            the last good state was restored with half the step size three times.

    >>> from rheon.training.source import Rows
    >>> class Normal(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.mean = nn.Parameter(torch.zeros(2))
    ...
    ...     def forward(self, x, context=None):
    ...         return torch.distributions.Normal(self.mean, 1.0).log_prob(x).sum(1)
    >>> flow, rows = Normal(), Rows(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> for record in train(flow, rows, None, Settings(steps=300, learning_rate=0.1)):
    ...     pass
    >>> [round(mean, 2) for mean in flow.mean.tolist()]
    [2.0, 3.0]
    """
    if len(source) < 1:
        raise RheonError("there is nothing to train on: the source has no rows")
    if validation is not None and len(validation) < 1:
        raise RheonError("the validation source has no rows: give some, or None")
    if not any(p.requires_grad for p in flow.parameters()):
        raise RheonError("the flow has no parameters to train")
    trained = as_trained(flow, settings)
    if settings.compile:
        trained = Compiled(trained)
    return _steps(flow, trained, source, validation, settings, checkpoints or Nowhere())


def _steps(
    flow: nn.Module,
    trained: nn.Module,
    source: Source,
    validation: Source | None,
    settings: Settings,
    checkpoints: Checkpoints | Nowhere,
) -> Generator[Record, None, None]:
    budget = Budget(settings)
    device = next(flow.parameters()).device
    together = ranks()
    if together.count > 1:
        checkpoints = Shared(checkpoints, together)
    order = order_of(source, settings.batch_size, settings.seed, device)

    expect = getattr(source, "expect", None)

    def batch(step: int) -> tuple[Tensor, Tensor | None]:
        rows = source.batch(order.rows(step), step_generator(settings.seed, step, device))
        if expect is not None:
            expect(order.rows(step + 1), step_generator(settings.seed, step + 1, device))
        return rows

    def fault(step: int) -> str | None:
        columns = getattr(source, "columns", None)
        with lent_global_rng(settings.seed, step, device):
            return find_fault(flow, *batch(step), settings.accumulate * together.count, columns)

    state, noted = None, 0
    try:
        flow.train()
        with lent_global_rng(settings.seed, 0, device):
            with lent_threads(1):  # the same bits whatever the caller's number
                moved = _initialise(flow, *batch(0))
            _refuse_statistics(flow, moved, together)
            saved = checkpoints.open(settings)
            threads = choose_threads(flow, batch, settings) if saved is None else saved.numbers["threads"]
            threads = int(together.first(threads))
        state = State(flow, moved, validation, settings, budget, threads, together)
        watch, descent, rescue = state.watch, state.descent, state.rescue
        budget.begin_steps()
        if saved is not None:
            state.restore(saved.numbers, saved.tensors)
        together.spread(state.tensors().values())
        if saved is not None:
            yield from saved.records
            del saved  # as large as the state
        while not state.over:
            progress = together.first(budget.progress(state.steps))
            rate = rescue.factor * learning_rate(progress, settings.learning_rate, settings.warmup)
            with lent_threads(threads), lent_global_rng(settings.seed, state.steps, device, together.rank):
                slope = descent.slope(trained, *batch(state.steps))
                rescue.keep(state.steps, slope.finite)
                descent.step(slope, rate)
                watch.average.update()
                trouble = rescue.look(state.steps, fault)
                state.steps += 1
                over = bool(together.first(budget.over(state.steps)))
                value, best = watch.validate(progress) if over or watch.due(progress) else (None, False)
                state.over = over or watch.hopeless or rescue.lost
            record = Record(
                step=state.steps,
                seconds=budget.seconds,
                remaining=budget.remaining(state.steps),
                rows_per_second=order.batch_size / budget.pace(state.steps),
                learning_rate=rate,
                validation=value,
                best=best,
                threads=threads,
                trouble=trouble,
                _loss=reading(slope.loss),
                _gradient_norm=reading(slope.norm),
                _skipped=reading(descent.skipped),
            )
            noted = record.step
            checkpoints.note(state, record)
            yield record
        rescue.end()
    except RankLostError:
        if state is not None and state.steps == noted:  # between two steps
            checkpoints.save()
        raise
    finally:
        # When Python shuts down nobody is left to use the flow, and torch may abort on what it is asked.
        if not sys.is_finalizing():
            if state is not None:
                state.weights.release(state.watch.best)
            flow.eval()
            checkpoints.close()


@torch.no_grad()
def _initialise(flow: nn.Module, x: Tensor, context: Tensor | None) -> list[Tensor]:
    """Lets layers that take their first values from data (ActNorm) do so before the weights are copied.

    Returns the buffers that a forward pass moves.
    """
    before = [buffer.clone() for buffer in flow.buffers()]
    log_p = flow(x, context)
    if log_p.shape != x.shape[:1]:
        raise RheonError(
            f"flow(x) must be log p for each row of x, shape {tuple(x.shape[:1])}, not {tuple(log_p.shape)}"
        )
    return [buffer for buffer, value in zip(flow.buffers(), before, strict=True) if not buffer.equal(value)]


def _refuse_statistics(flow: nn.Module, moved: Sequence[Tensor], together: Alone) -> None:
    """Several processes would each take their own statistics of their part of a batch."""
    names = [name for name, buffer in flow.named_buffers() if any(buffer is one for one in moved)]
    running = [name for name in names if flow.get_buffer(name).is_floating_point()]
    if together.count > 1 and running:
        layer = running[0].rpartition(".")[0]
        raise RheonError(
            f"{layer} ({type(flow.get_submodule(layer)).__name__}) takes statistics of the batch, of which "
            f"each of the {together.count} processes sees only a part: train with one process, or an "
            "architecture without such layers"
        )
