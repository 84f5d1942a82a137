"""What a battery of checks found."""

import math
from dataclasses import dataclass

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
