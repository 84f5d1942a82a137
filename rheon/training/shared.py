"""The checkpoints of a run of several processes: the first one's, of which it tells the others."""

import json

from rheon.errors import RheonError
from rheon.training.checkpoints import Checkpoints, Nowhere, Saved
from rheon.training.identity import as_json, choices, differences
from rheon.training.processes import Alone
from rheon.training.record import Record
from rheon.training.settings import Settings
from rheon.training.state import State


class Shared(Nowhere):
    """Checkpoints that only the first process reads and writes.

    The number of processes is not part of what a run is: one that is stopped may go on with another. Its bits
    then differ, since sums are taken in another order.

    Args:
        own: those of this process; of all but the first they stay unused.
        ranks: the processes.
    """

    def __init__(self, own: Checkpoints | Nowhere, ranks: Alone) -> None:
        self._own, self._ranks = own, ranks

    def open(self, settings: Settings) -> Saved | None:
        """What the first process finds; for the others without tensors, which it gives them later.

        Raises:
            RheonError: the first process cannot go on, or this one has other data or settings.
        """
        saved, refusal, told = None, None, {}
        if self._ranks.rank == 0:
            try:
                saved = self._own.open(settings)
            except RheonError as error:
                refusal = error
            told = {
                "refusal": refusal and str(refusal),
                "identity": self._identity(settings),
                "numbers": saved and saved.numbers,
                "records": [record.as_dict() for record in saved.records] if saved else [],
            }
        told = json.loads(self._ranks.first_text(json.dumps(told)))
        if refusal is not None:
            raise refusal
        if self._ranks.rank == 0:
            return saved
        if told["refusal"]:
            raise RheonError(told["refusal"])
        if differing := differences(told["identity"], self._identity(settings)):
            raise RheonError(
                f"process {self._ranks.rank} differs from the first in {', '.join(differing)}: give all that "
                "train together the same"
            )
        if told["numbers"] is None:
            return None
        self._own.step = told["numbers"]["steps"]
        return Saved(told["numbers"], None, [Record.from_dict(values) for values in told["records"]])

    def note(self, state: State, record: Record) -> None:
        """Saves where it is time to."""
        if self._ranks.rank == 0:
            self._own.note(state, record)

    def save(self) -> bool:
        """Whether the first process's disk has the run; the others believe it."""
        return self._ranks.rank != 0 or self._own.save()

    def close(self) -> None:
        """Lets the folder go."""
        if self._ranks.rank == 0:
            self._own.close()

    def _identity(self, settings: Settings) -> dict:
        return as_json({**choices(settings), **self._own.identity})
