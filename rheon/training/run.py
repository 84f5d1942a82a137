"""How a training begins, and what one step of it is."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rheon.errors import RheonError
from rheon.training.budget import Budget
from rheon.training.checkpoints import Checkpoints, Nowhere, Saved
from rheon.training.device import on_device
from rheon.training.fault import find_fault
from rheon.training.order import order_of
from rheon.training.processes import Alone, ranks
from rheon.training.randomness import lent_global_rng, step_generator
from rheon.training.record import Record, reading
from rheon.training.schedule import learning_rate
from rheon.training.settings import Settings
from rheon.training.source import Source
from rheon.training.state import State
from rheon.training.threads import choose_threads, lent_threads


class Run:
    """One training of a flow: what does not change from step to step, the :class:`State` apart.

    Args:
        flow: what is trained.
        trained: the same weights as a step goes through them.
        source, validation, settings: as :func:`rheon.training.train` takes them.
        device: where it is trained; the flow is there between ``begin`` and ``leave``.

    Attributes:
        together: the processes that train together.
    """

    def __init__(
        self,
        flow: nn.Module,
        trained: nn.Module,
        source: Source,
        validation: Source | None,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.together = ranks()
        self._flow, self._trained = flow, trained
        self._home, self._device = next(flow.parameters()).device, device
        self._source = on_device(source, device)
        self._validation = None if validation is None else on_device(validation, device)
        self._settings = settings
        self._budget = Budget(settings)
        self._order = order_of(source, settings.batch_size, settings.seed)
        self._expect = getattr(source, "expect", None)

    def begin(self, checkpoints: Checkpoints | Nowhere) -> tuple[State, Saved | None]:
        """The state before the first step, and what there is to go on from, to be put into it."""
        flow, settings = self._flow, self._settings
        flow.to(self._device).train()
        with lent_global_rng(settings.seed, 0, self._device):
            with lent_threads(1):  # the same bits whatever the caller's number
                moved = _initialise(flow, *self._batch(0))
            _refuse_statistics(flow, moved, self.together)
            saved = checkpoints.open(settings)
            threads = (
                choose_threads(flow, self._batch, settings) if saved is None else saved.numbers["threads"]
            )
            threads = int(self.together.first(threads))
        state = State(flow, moved, self._validation, settings, self._budget, threads, self.together)
        self._budget.begin_steps()
        return state, saved

    def leave(self) -> None:
        """Brings the flow back to where it was."""
        self._flow.to(self._home)

    def step(self, state: State) -> Record:
        """Takes the step that follows."""
        step, seed, budget, first = state.steps, self._settings.seed, self._budget, self.together.first
        watch, descent, rescue = state.watch, state.descent, state.rescue
        progress = first(budget.progress(step))
        rate = rescue.factor * learning_rate(progress, self._settings.learning_rate, self._settings.warmup)
        with lent_threads(state.threads), lent_global_rng(seed, step, self._device, self.together.rank):
            slope = descent.slope(self._trained, *self._batch(step))
            rescue.keep(step, slope.finite)
            descent.step(slope, rate)
            watch.average.update()
            trouble = rescue.look(step, self._fault)
            state.steps = step + 1
            over = bool(first(budget.over(state.steps)))
            value, best = watch.validate(progress) if over or watch.due(progress) else (None, False)
            state.over = over or watch.hopeless or rescue.lost
        return Record(
            step=state.steps,
            seconds=budget.seconds,
            remaining=budget.remaining(state.steps),
            rows_per_second=self._order.batch_size / budget.pace(state.steps),
            learning_rate=rate,
            validation=value,
            best=best,
            threads=state.threads,
            trouble=trouble,
            _loss=reading(slope.loss),
            _gradient_norm=reading(slope.norm),
            _skipped=reading(descent.skipped),
        )

    def _batch(self, step: int) -> tuple[Tensor, Tensor | None]:
        rows = self._source.batch(*self._draw(step))
        if self._expect is not None:
            self._expect(*self._draw(step + 1))
        return rows

    def _draw(self, step: int) -> tuple[Tensor, torch.Generator]:
        return self._order.rows(step), step_generator(self._settings.seed, step)

    def _fault(self, step: int) -> str | None:
        """What is not finite in the batch of a step."""
        columns = getattr(self._source, "columns", None)
        pieces = self._settings.accumulate * self.together.count
        with lent_global_rng(self._settings.seed, step, self._device):
            return find_fault(self._flow, *self._batch(step), pieces, columns)


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
