"""What the command prints: plain lines, in which text from files cannot steer the terminal."""

import sys
from collections.abc import Sequence
from typing import TextIO

from rheon.text import plain


def say(line: str = "", stream: TextIO | None = None) -> None:
    """Prints one line, to stdout unless told otherwise, at once."""
    print(plain(line), file=stream or sys.stdout, flush=True)


def note(line: str) -> None:
    """Prints one line beside the results, to stderr."""
    say(line, sys.stderr)


def say_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Prints names and values in two columns."""
    width = max((len(plain(name, 30)) for name, _ in facts), default=0)
    for name, value in facts:
        say(f"  {plain(name, 30):<{width}}  {value}")
