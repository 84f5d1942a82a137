"""The command ``rheon``."""

from rheon.cli.app import main

__all__ = ["main"]
