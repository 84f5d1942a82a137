import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from rheon.cli import main

MOONS_ROWS = 500
FITS = (
    "fit moons --steps 20 --architecture realnvp",
    "fit digits --steps 4 --batch-size 20 --seed 7 --threads 1 --device cpu",
    "fit hostile.csv --steps 5 --architecture nice",
)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder in which the fits of FITS were made."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "hostile.csv").write_bytes(HOSTILE)
    before = os.getcwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rheon.cli.data.TOY_ROWS", MOONS_ROWS)
        os.chdir(folder)
        try:
            for words in FITS:
                assert main(words.split()) == 0
        finally:
            os.chdir(before)
    return folder


def _hostile() -> bytes:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), rng.integers(-128, 128, 200)
    lines = ['"<script>alert(1)</script>","\x1b[31mred\x1b[0m","=1+1","na\nme"']
    lines += [f"{x},{y},{x * y},text" for x, y in zip(a, b, strict=True)]
    return "\n".join(lines).encode()


HOSTILE = _hostile()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bare(monkeypatch):
    """Fits of 200 rows without figures and pictures, which take most of their time."""
    monkeypatch.setattr("rheon.cli.data.TOY_ROWS", 200)
    monkeypatch.setattr("rheon.cli.fitting.baselines", lambda *_: {})
    monkeypatch.setattr("rheon.cli.fitting.figures", lambda *_: {})
    monkeypatch.setattr("rheon.cli.fitting.pictures", lambda *_: {})


@pytest.fixture
def rheon(capfd):
    """Runs the command in this process: code, out, err; nothing in either that steers a terminal."""

    def run(words):
        capfd.readouterr()
        code = main(words.split() if isinstance(words, str) else words)
        out, err = capfd.readouterr()
        assert all(char.isprintable() or char == "\n" for char in out + err)
        return SimpleNamespace(code=code, out=out, err=err)

    return run


def config(folder):
    return json.loads((folder / "config.json").read_text())
