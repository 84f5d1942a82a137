"""p(c, y | g): the density of encoded rows, in training, scoring and sampling."""

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rheon.errors import DataError, ModelError, RheonError
from rheon.flow import Flow
from rheon.noise import bits_of
from rheon.storage import load_module
from rheon.tables.completing import Completing, Score
from rheon.tables.copies import ByMember, Copies, OnDisk, sizes
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.features import Features
from rheon.tables.flows import FOR_TABLES, SHORT
from rheon.tables.folds import fold_of_each
from rheon.tables.margins import Margins
from rheon.tables.member import Member, member_of, new_member
from rheon.tables.saved import grouped, joined
from rheon.tables.tiles import TILE
from rheon.training import Checkpoints, Record, Settings, Source, Unit, fingerprint, train
from rheon.training.threads import lent_threads

DRAWS = 50
"""How many times what lies beyond a column's bounds, or beyond float64, is drawn again."""

MASKED = "masked"
HEADS = "heads"
"""The architecture of a table that has no numbers."""

_LEAST = 20
_NUMBERS = 4_000_000
"""Numbers of the noisy copies of the rows that training learns from, at most."""


class Mixed:
    """The density of mixed rows, exact but for the noise of numbers on grids.

        p(row | g) = 1/M Σ_m p_m(c | g) p_m(y | c, g)

    M = 5 members below 5,000 rows, each learns from four fifths of them; else one. A number on a grid is
    dequantised: P(k) = E_u p(k + u), u uniform on [-½, ½), a bound unless it is averaged over many u.

    Args:
        encoding: of the rows' columns.
        architecture: of the flows, by name; ``"tabular"``: what suits the table.

    Raises:
        RheonError: some rows may have no number in a column, and the architecture cannot leave numbers out.
    """

    def __init__(self, encoding: Encoding, architecture: str = "tabular") -> None:
        self.encoding = encoding
        holes = [
            c.name for c, state in zip(encoding.numbers, encoding.states, strict=True) if state is not None
        ]
        if holes and architecture not in ("tabular", MASKED):
            raise RheonError(
                f"architecture {architecture!r} cannot leave out what some rows do not have, as in "
                f"{holes[0]!r}: take the default"
            )
        self._architecture = MASKED if holes else SHORT.get(architecture, architecture)
        self.members: list[Member] = []
        self.margins = Margins([])
        self.features = Features([], torch.empty(0, 2))
        self.given = 0
        """M, features of what is given."""
        self.rows = (0, 0)
        """How many rows there are to learn from, and how many to judge by."""
        self.log_det = 0.0
        """What a validation, in z, lacks to log p on average over the rows judged by."""

    @property
    def fitted(self) -> list[Member]:
        """The members; a :class:`~rheon.RheonError` before ``training``."""
        if not self.members:
            raise RheonError("this density has learned nothing yet.")
        return self.members

    @property
    def flows(self) -> list[Flow]:
        """The flows among them, none where there are no numbers."""
        return [member.flow for member in self.fitted if member.flow is not None]

    @property
    def unit(self) -> Unit:
        """What likelihoods are told in: mean log p(row) in nats."""
        return Unit.mean_log_prob(self.log_det)

    def training(
        self,
        rows: Encoded,
        given: Tensor | None,
        settings: Settings,
        checkpoints: Checkpoints | None = None,
        on_disk: OnDisk | None = None,
    ) -> Generator[Record, None, None]:
        """Learns from rows, given features (N, M) or nothing, and yields a record after each step.

        Of a table on the disk the rows are a sample, and those judged by.

        Raises:
            DataError: there are too few rows.
        """
        n = len(rows)
        if n < _LEAST:
            raise DataError(
                f"table: {n} rows are too few to learn a density from and to validate it; give at least "
                f"{_LEAST}."
            )
        given = torch.empty(n, 0) if given is None else given
        self.given = given.shape[1]
        with lent_threads(1):
            copies = self._noisy_copies(rows.y, settings.seed)
            self.margins = Margins.fit(np.concatenate(copies[: max(1, 4000 // n)]))
            z = torch.stack([self.margins.forward(torch.from_numpy(copy))[0].float() for copy in copies])
            self.features = Features.fit(self.encoding, rows.codes, rows.y[:, :0])
        fold = fold_of_each(n, settings.seed, 5 if n < 5000 else 1)
        if on_disk is not None:
            fold = (torch.arange(n) >= n - on_disk.judged).long() - 1
        count = int(fold.max()) + 1
        judged = int((fold >= 0).sum())
        self.rows = (n if count > 1 else n - judged, judged)
        log_det = self.margins.forward(torch.from_numpy(copies[0]))[1].numpy()
        self.log_det = float((log_det - self.encoding.log_cells(rows.y))[fold >= 0].mean())
        size, heads_size = sizes(n)
        size = size if self._architecture in ("tabular", MASKED) else {}
        self.members = [
            new_member(
                self.encoding,
                self.features,
                self.given,
                self._architecture,
                size,
                heads_size,
                settings.seed + m,
            )
            for m in range(count)
        ]
        codes = torch.from_numpy(rows.codes)
        for m, member in enumerate(self.members):
            if member.heads is not None:
                member.heads.prime(codes[fold != m], self.encoding.closed)
        if checkpoints is not None:
            checkpoints.identity |= {
                "architecture": self.config(),
                "data": fingerprint(np.concatenate((rows.codes, np.nan_to_num(rows.y), given.numpy()), 1))
                if on_disk is None
                else on_disk.table.fingerprint(),
            }
            checkpoints.unit = self.unit
        context = torch.cat((codes.float(), given), 1)
        learn: Source = Copies(z, context, fold, learn=True)
        judge = Copies(z, context, fold, learn=False)
        if on_disk is not None:
            learn = on_disk.source(lambda some, own: self._ready(some, own, settings.seed))
            self.rows = (len(on_disk.table), judged)
        try:
            with closing(train(ByMember(self.members), learn, judge, settings, checkpoints)) as records:
                for record in records:
                    yield replace(record, unit=self.unit)
        finally:
            for member in self.members:
                member.eval()

    def _ready(self, rows: Encoded, given: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
        """z and (c, g) of rows to learn from, whose noise is a function of each."""
        noise = self.encoding.on_grid * (row_noise(rows.codes, rows.y, seed, 0) - 0.5)
        z, _ = self.margins.forward(torch.from_numpy(rows.y + noise))
        parts = (torch.from_numpy(rows.codes).float(), self._given(given, len(rows)))
        return z.float(), torch.cat(parts, 1)

    def log_prob(
        self, rows: Encoded, given: Tensor | None = None, draws: int = 1, seed: int = 0
    ) -> NDArray[np.float64]:
        """log p of each row, (N,), in nats per product of the units of the numbers that are there.

        What is unknown in a row is summed and integrated out.
        """
        given = self._given(given, len(rows))
        complete = rows.complete
        scores = np.empty(len(rows))
        whole = np.flatnonzero(complete)
        scores[whole] = self._complete(rows.codes[whole], rows.y[whole], given[whole], draws, seed)
        for start in range(0, len(rows) - len(whole), 64):
            some = np.flatnonzero(~complete)[start : start + 64]
            completing = Completing(self.encoding, self.margins, rows.take(some), draws, seed)
            scores[some] = completing.log_sum(self._scoring(given[some], draws, seed))
        return scores - self.encoding.log_cells(rows.y)

    def _scoring(self, given: Tensor, draws: int, seed: int) -> Score:
        def score(
            codes: NDArray[np.int64], y: NDArray[np.float64], of: NDArray[np.int64]
        ) -> NDArray[np.float64]:
            return self._complete(codes, y, given[of], draws, seed)

        return score

    def _complete(
        self, codes: NDArray[np.int64], y: NDArray[np.float64], given: Tensor, draws: int, seed: int
    ) -> NDArray[np.float64]:
        grid = self.encoding.on_grid
        draws = draws if grid.any() else 1
        scores = np.empty((draws, len(codes)))
        for draw in range(draws):
            noisy = y if not grid.any() else y + grid * (row_noise(codes, y, seed, draw) - 0.5)
            scores[draw] = self.density(codes, noisy, given)
        return np.logaddexp.reduce(scores, 0) - math.log(draws)

    def density(
        self, codes: NDArray[np.int64], y: NDArray[np.float64], given: Tensor | None = None
    ) -> NDArray[np.float64]:
        """log p(c, y | g) of complete rows, whose numbers on grids have their noise, per units of y."""
        given, scores = self._given(given, len(codes)), np.empty(len(codes))
        for start in range(0, len(codes), TILE):
            part = slice(start, min(start + TILE, len(codes)))
            scores[part] = self._tile(codes[part], y[part], given[part])
        return scores

    @torch.no_grad()
    def _tile(self, codes: NDArray[np.int64], y: NDArray[np.float64], given: Tensor) -> NDArray[np.float64]:
        filling = np.zeros(TILE, dtype=int)
        filling[: len(codes)] = np.arange(len(codes))
        z, log_det = self.margins.forward(torch.from_numpy(y[filling]))
        context = torch.cat((torch.from_numpy(codes[filling]).float(), given[filling]), 1)
        log_p = torch.stack([member(z.float(), context).double() for member in self.fitted])
        whole = log_p.logsumexp(0) - math.log(len(log_p)) + log_det
        return whole[: len(codes)].numpy()

    @torch.no_grad()
    def round_trip_error(self, rows: Encoded, given: Tensor | None = None) -> float:
        """max |f⁻¹(f(z)) - z| over complete rows, members and numbers that are there."""
        given, worst = self._given(given, len(rows)), 0.0
        z, codes = self.margins.forward(torch.from_numpy(rows.y))[0].float(), torch.from_numpy(rows.codes)
        present = torch.from_numpy(~np.isnan(rows.y))
        for member in self.fitted:
            if member.flow is not None:
                error = (member.back_and_forth(z, codes, given) - z).abs().where(present, 0)
                worst = max(worst, float(error.max()) if error.numel() else 0.0)
        return worst

    @torch.no_grad()
    def sample(
        self, n: int, given: Tensor | None, temperature: float, generator: torch.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """n draws of (c, y), NaN where there is no number; each for one row of what is given."""
        given = self._given(given, n)
        members = self.fitted
        which = torch.randint(len(members), (n,), generator=generator)
        codes = torch.empty(n, len(self.encoding.levels), dtype=torch.long)
        y = torch.empty(n, len(self.encoding.numbers), dtype=torch.float64)
        for m, member in enumerate(members):
            for rows in (which == m).nonzero()[:, 0].split(TILE):
                own = given[rows]
                codes[rows], z = member.sample(len(rows), own, temperature, generator)
                y[rows] = self._values(codes[rows], z)
                for _ in range(DRAWS):  # a sample is a value that can be: others are drawn again
                    bad = rows[~torch.from_numpy(self.encoding.within(y[rows].numpy()).all(1))]
                    if not len(bad):
                        break
                    z = member.sample_numbers(codes[bad], given[bad], temperature, generator)
                    y[bad] = self._values(codes[bad], z)
        return codes.numpy(), y.numpy()

    def complete(
        self, codes: NDArray[np.int64], given: Tensor | None, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes with unknown ones drawn by the members' heads in turn, none of them missing; log q, (N,)."""
        given = self._given(given, len(codes))
        generator, drawn = torch.Generator().manual_seed(seed), torch.from_numpy(codes.copy())
        log_q = torch.zeros(len(codes), dtype=torch.float64)
        for m, member in enumerate(self.fitted):
            if member.heads is not None:
                mine = slice(m, None, len(self.members))
                own = given[mine] if self.given else None
                drawn[mine], some = member.heads.complete(
                    drawn[mine], self.encoding.own_levels, own, generator
                )
                log_q[mine] = some.double()
        return drawn.numpy(), log_q.numpy()

    def seen(self, codes: NDArray[np.int64], given: Tensor | None) -> NDArray[np.float64]:
        """Features of what numbers are given besides numbers, (N, F)."""
        parts = (self.features.of(codes), self._given(given, len(codes)))
        return torch.cat(parts, 1).numpy().astype(np.float64)

    def _values(self, codes: Tensor, z: Tensor) -> Tensor:
        present = torch.from_numpy(self.encoding.present(codes.numpy()))
        y = self.margins.inverse(z.double()).nan_to_num(math.inf, math.inf, -math.inf)
        return torch.where(present, y, math.nan)

    def _given(self, given: Tensor | None, n: int) -> Tensor:
        given = torch.empty(n, 0) if given is None else given
        if tuple(given.shape) != (n, self.given):
            raise RheonError(f"what is given must have shape ({n}, {self.given}), got {tuple(given.shape)}.")
        return given

    def _noisy_copies(self, y: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Copies of the rows, (K, N, D), each with its own dequantisation noise."""
        grid = self.encoding.on_grid
        count = int(np.clip(_NUMBERS // max(y.size, 1), 1, 32)) if grid.any() else 1
        noise = np.random.default_rng([seed, 1]).random((count, *y.shape))
        return y + grid * (noise - 0.5)

    def config(self) -> dict[str, Any]:
        """Plain facts for config.json, from which with :meth:`tensors` ``from_files`` builds it again."""
        first = self.fitted[0]
        recipe = None if first.flow is None else first.flow.recipe
        architecture = {"name": HEADS, "arguments": {}}
        if recipe is not None:
            architecture = {"name": recipe.name, "arguments": dict(recipe.arguments)}
        width = 0 if first.heads is None else first.heads.width
        return {
            "architecture": architecture,
            "members": len(self.members),
            "heads_width": width,
            "given_features": self.given,
            "log_det": self.log_det,
        }

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        groups = {"margins": self.margins.tensors(), "features": self.features.tensors()}
        groups |= {f"member{m}": dict(member.state_dict()) for m, member in enumerate(self.fitted)}
        return joined(groups)

    @classmethod
    def from_files(cls, encoding: Encoding, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What :meth:`config` and :meth:`tensors` gave, read by ``storage.read_model``."""
        groups = grouped(tensors)
        self = cls(encoding)
        try:
            architecture, members = config["architecture"], config["members"]
            width, self.given = config["heads_width"], config["given_features"]
            self.log_det = float(config["log_det"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        sizes = (members - 1, width, self.given)
        if not all(type(size) is int and 0 <= size <= 1 << 16 for size in sizes) or members > 64:
            raise ModelError("config.json must give numbers of members and features, and the heads' width.")
        if architecture["name"] not in (*FOR_TABLES, MASKED, HEADS):
            raise ModelError(f"config.json names the architecture {architecture['name']!r}: none of tables.")
        self.margins = Margins.from_tensors(groups.pop("margins", {}), len(encoding.numbers))
        self.features = Features.from_tensors(groups.pop("features", {}), encoding)
        if set(groups) != {f"member{m}" for m in range(members)}:
            raise ModelError("the weights are not those of the members that config.json names.")

        def built() -> Member:
            return member_of(encoding, self.features, self.given, architecture, width)

        self.members = [load_module(built, groups[f"member{m}"]).eval() for m in range(members)]
        return self


def row_noise(codes: NDArray[np.int64], y: NDArray[np.float64], seed: int, draw: int) -> NDArray[np.float64]:
    """Uniform noise on [0, 1) for each number of each row, (N, D): a function of (the row, seed, draw)."""
    numbers = np.ascontiguousarray(np.where(np.isnan(y), 0.0, y) + 0.0).view(np.uint64)
    words = np.concatenate((codes.astype(np.uint64), numbers), 1)
    return (bits_of(words, y.shape[1], seed, draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53
