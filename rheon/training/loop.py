"""Maximum likelihood: argmax_θ Σ_i log p_θ(x_i), as a generator of records.

The loop knows nothing of bars, files or plots: whoever iterates over it prints, logs or stops. What a run
carries from one step to the next is its ``State``: the order of the data and all noise are functions of
(seed, step). So a run that goes on from a saved state takes the same steps, to the bit, as one that
was never interrupted.
"""

import sys
from collections.abc import Generator

import torch
from torch import nn

from rheon.errors import RankLostError, RheonError
from rheon.training.checkpoints import Checkpoints, Nowhere
from rheon.training.compiled import Compiled
from rheon.training.device import chosen_device
from rheon.training.economy import as_trained
from rheon.training.record import Record
from rheon.training.run import Run
from rheon.training.settings import Settings
from rheon.training.shared import Shared
from rheon.training.source import Source


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
    Until then it is in training mode and on the device of ``settings.device``, and holds the current weights,
    in memory that they share: they may be read, but neither replaced nor moved.

    With ``checkpoints`` the run saves itself now and then. One that finds itself there goes on: it yields
    the records of the steps that were made, and then makes the others, as if it had never been interrupted.
    Between two yields ``checkpoints.save()`` saves what there is.

    Where ``torch.distributed`` was initialised, all its processes train the flow together: each calls this
    with the same arguments and takes its part of every batch; the first alone writes checkpoints.

    At every yield the thread count and the global random state are the caller's. The same seed, budget in
    steps and number of threads give the same bits on the same machine. On any device rows and their noise are
    the same; what layers draw (dropout) and rounding are the device's own.

    Args:
        flow: module with flow(x, context) = log p(x), shape (B,), in nats.
        source: the rows to learn.
        validation: the rows that choose the best weights, or None; more than some thousands only take time.
        settings: budget, optimiser, seed, threads.
        checkpoints: where to save the run and to go on from, or None.

    Raises:
        RheonError: a source is empty, nothing can be trained, or not by these settings (their device is not
            there, say), or (at the first step) log p has a wrong shape, or the checkpoints are of another
            run, or several processes train a flow with running statistics, or one of them has ended.
        DivergedError: after the last record, where loss or gradient were not finite time and again, though
            the last good state was restored with half the step size three times.

    >>> import torch
    >>> from torch import nn
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
    device = chosen_device(settings.device, next(flow.parameters()).device)
    trained = as_trained(flow, settings, device)
    if settings.compile:
        trained = Compiled(trained)
    return _steps(flow, trained, source, validation, settings, device, checkpoints or Nowhere())


def _steps(
    flow: nn.Module,
    trained: nn.Module,
    source: Source,
    validation: Source | None,
    settings: Settings,
    device: torch.device,
    checkpoints: Checkpoints | Nowhere,
) -> Generator[Record, None, None]:
    run = Run(flow, trained, source, validation, settings, device)
    if run.together.count > 1:
        checkpoints = Shared(checkpoints, run.together)
    state, noted = None, 0
    try:
        state, saved = run.begin(checkpoints)
        if saved is not None:
            state.restore(saved.numbers, saved.tensors)
        run.together.spread(state.tensors().values())
        if saved is not None:
            yield from saved.records
            del saved  # as large as the state
        while not state.over:
            record = run.step(state)
            noted = record.step
            checkpoints.note(state, record)
            yield record
        state.rescue.end()
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
            run.leave()
            checkpoints.close()
