"""What a newcomer may get wrong in the first hour: one line, which says what to do next."""

import io
import subprocess
import sys

import numpy as np
import pytest


def _write(here, name, content):
    if isinstance(content, np.ndarray):
        stream = io.BytesIO()
        np.save(stream, content)
        content = stream.getvalue()
    (here / name).write_bytes(content)


@pytest.mark.parametrize(
    ("words", "name", "content", "code", "says"),
    [
        ("ftt digits", None, None, 2, 'Did you mean "fit"'),
        ("fit digitz", None, None, 3, "did you mean digits"),
        ("fit digits --architecture realnv", None, None, 2, "did you mean 'realnvp'"),
        ("fit wine --architecture realnv", None, None, 2, "did you mean 'realnvp'"),
        ("fit wine --given alcool", None, None, (2, 3), "did you mean 'alcohol'"),
        ("fit digits --step 5", None, None, 2, "Did you mean --steps"),
        ("fit digits --steps five", None, None, 2, "must be a whole number"),
        ("fit few.csv", "few.csv", b"a,b\n1,2\n2,3\n3,5\n", 3, "give at least 25"),
        ("fit c.csv", "c.csv", b"a,b\n" + b"3,x\n" * 60, 3, "no column is left to learn"),
        ("fit r.pdf", "r.pdf", b"%PDF", 3, "expected a name that ends in .csv"),
        ("fit f.npy", "f.npy", np.random.default_rng(0).random((50, 8, 8)), 3, "(255 * images).round()"),
        ("fit x.npy", "x.npy", np.zeros((5, 3, 4, 8, 8)), 3, "reshape it"),
        ("score few.csv few.csv", "few.csv", b"a\n1\n", 3, "a directory that rheon wrote"),
        ("report nothing.rheon", None, None, 3, "a directory that rheon wrote"),
        ("fit digits --out no/where", None, None, 2, "make it first"),
        ("sample", None, None, 2, "sample --help"),
    ],
)
def test_the_message_says_what_to_do(here, rheon, words, name, content, code, says):
    if name:
        _write(here, name, content)
    shown = rheon(words)
    assert shown.code in (code if isinstance(code, tuple) else (code,)), shown.err
    assert says in shown.err
    assert len(shown.err.splitlines()[-1]) < 420


def test_a_refused_csv_ends_the_process_by_its_exit_code(tmp_path):
    # Arrow's threads may outlive the reading: what they let go of must not be Python's.
    (tmp_path / "few.csv").write_text("a,b\n1,2\n2,3\n")
    code = (
        "import sys; from rheon.tables.delimited import read_delimited as read;"
        "read(open('few.csv', 'rb').read(), 'few.csv'); sys.exit(3)"
    )
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (3, b"")


def test_rheon_alone_shows_each_verb_with_an_example(rheon):
    from rheon.cli.app import _VERBS

    shown = rheon("")
    assert shown.code == 0
    assert all(f"\n  rheon {verb} " in shown.out for verb in _VERBS)
    assert max(map(len, shown.out.splitlines())) <= 80
