"""``python -m rheon.cli``: the command, where its script is not on the path."""

import sys

from rheon.cli.app import main

sys.exit(main())
