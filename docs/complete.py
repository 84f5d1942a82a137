"""Whether every public name of the package has an entry in the reference, and every local link a target.

Usage: complete.py FOLDER, the folder of the pages that were built.
"""

import re
import sys
from pathlib import Path

from conf import ROOMS, public_names


def missing(pages: Path) -> list[str]:
    """Names without an entry, and pages that load something from elsewhere than themselves."""
    found = []
    for room in ROOMS:
        page = (pages / "reference" / f"{room}.html").read_text()
        found += [
            f"rheon.{room}.{name}" for name in public_names(room) if f'id="rheon.{room}.{name}"' not in page
        ]
    for page in (page for page in pages.rglob("*.html") if "_modules" not in page.parts):
        for target in re.findall(r'(?:href|src)="(?!https?:|#|mailto:|data:)([^"#?]+)', page.read_text()):
            if not (page.parent / target).exists():
                found.append(f"{page.name} → {target}")
    return found


if __name__ == "__main__":
    gaps = missing(Path(sys.argv[1]))
    print("\n".join(gaps) or "every public name has an entry")
    sys.exit(bool(gaps))
