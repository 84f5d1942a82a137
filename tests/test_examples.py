"""Every example runs from top to bottom, at small size, and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
SAYS = {
    "density_2d.py": "the same bits after loading: True",
    "csv_scored.py": "100 new rows",
    "pipeline.py": "outliers among the wines:",
    "own_architecture.py": " 0 failed",
    "own_conditioner.py": " 0 failed",
    "images_scales.py": "with a histogram for each pixel",
    "conditional.py": "given x = 1.5",
    "resume.py": "the same bits as without a break: True",
}


def test_all_are_here_and_short():
    scripts = {file.name: file.read_text().splitlines() for file in FOLDER.glob("*.py")}
    assert set(scripts) == set(SAYS)
    assert max(map(len, scripts.values())) <= 100
    listed = (FOLDER / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in scripts)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_it_runs(name, tmp_path):
    path = os.pathsep.join([str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, FOLDER / name, "6"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout
