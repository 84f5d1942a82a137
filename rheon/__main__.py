"""``python -m rheon`` is the command ``rheon``."""

import sys

from rheon.cli import main

if __name__ == "__main__":
    sys.exit(main())
