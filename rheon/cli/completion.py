"""``rheon completion``: the script by which a shell completes the command's words."""

import sys
from typing import Literal

from rheon.cli.app import app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Prints the script for a shell.

    Args:
        shell: The shell that is to complete.
    """
    sys.stdout.write(app.generate_completion(shell=shell))
