"""What a battery of checks found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rheon.errors import RheonError


@dataclass(frozen=True, slots=True)
class Check:
    """One check: it passes where ``figure`` ≤ ``limit``.

    name    what was checked
    passed  None where the check could not be made; the detail then says why
    figure  what was measured; nan where there is no number
    limit   the largest figure that passes
    detail  on what it was measured, in which unit, at which rate of false alarms
    """

    name: str
    passed: bool | None
    figure: float
    limit: float
    detail: str

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAIL", None: "-"}[self.passed]
        sign = ">" if self.passed is False else "≤"
        figures = "" if math.isnan(self.figure) else f"{self.figure:.2g} {sign} {self.limit:.2g}"
        return f"{mark:<5}{self.name:<34}{figures:<20}{self.detail}"


def measured(name: str, figure: float, limit: float, detail: str) -> Check:
    """A check that passes where figure ≤ limit; nan does not pass."""
    return Check(name, bool(figure <= limit), float(figure), limit, detail)


def skipped(name: str, reason: str) -> Check:
    """A check that could not be made."""
    return Check(name, None, math.nan, math.nan, reason)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of :func:`~rheon.check_flow`. ``str`` gives a table of them.

    >>> report = Report((measured("round trip", 1e-15, 1e-10, "8 rows"), skipped("integral", "D=64")))
    >>> print(report)
    1 passed, 0 failed, 1 left out
    ok   round trip                        1e-15 ≤ 1e-10       8 rows
    -    integral                                              D=64
    >>> report.passed
    True
    """

    checks: tuple[Check, ...]
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether no check failed; checks left out do not count."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    def raise_if_failed(self) -> None:
        """Raises a :class:`~rheon.RheonError` that names every failed check, with its figures."""
        if self.failures:
            lines = "\n".join(map(str, self.failures))
            raise RheonError(f"the flow fails {len(self.failures)} of {len(self.checks)} checks:\n{lines}")

    def __str__(self) -> str:
        passed = sum(check.passed is True for check in self.checks)
        left_out = sum(check.passed is None for check in self.checks)
        head = f"{passed} passed, {len(self.failures)} failed, {left_out} left out"
        return "\n".join([head, *map(str, self.checks), *([self.note] if self.note else [])])


def worst(reports: Sequence[Report]) -> Report:
    """One report for several flows of a kind: of each check the one that came out worst.

    >>> print(worst([Report((measured("a", 1e-3, 1.0, "one"),)), Report((measured("a", 2.0, 1.0, "two"),))]))
    0 passed, 1 failed, 0 left out
    FAIL a                                 2 > 1               two (worst of 2)
    """
    if len(reports) == 1:
        return reports[0]
    by_name: dict[str, list[Check]] = {}
    for report in reports:
        for check in report.checks:
            by_name.setdefault(check.name, []).append(check)
    found = (max(checks, key=_badness) for checks in by_name.values())
    checks = tuple(replace(check, detail=f"{check.detail} (worst of {len(reports)})") for check in found)
    return Report(checks, "; ".join(sorted({report.note for report in reports if report.note})))


def _badness(check: Check) -> tuple[int, float]:
    order = {None: 0, True: 1, False: 2}[check.passed]
    return order, 0.0 if math.isnan(check.figure) else check.figure
