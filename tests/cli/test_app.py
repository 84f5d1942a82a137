"""What the command does before any work: help, mistakes, exit codes; quick, and in one line."""

import os
import resource
import subprocess
import sys

import pytest

import rheon
from rheon.cli import app

COMMAND = "import sys; from rheon.cli import main; sys.exit(main())"
HEAVY = {"torch", "sklearn", "scipy", "pyarrow", "matplotlib", "pandas", "narwhals"}


def _run(*words, code=COMMAND, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def _cpu_seconds(*words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert _run(*words).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("words", [("--help",), ("fit", "--help"), ()], ids=" ".join)
def test_help_is_quick(words):
    assert min(_cpu_seconds(*words) for _ in range(4)) < 0.25


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "fit --help",
        "fit digits --epochs 3",
        "fit nothing.csv",
        "sample {models}/moons.rheon --out x.png",
        "score {models}/moons.rheon nothing.csv",
        "info {models}/moons.rheon",
    ],
)
def test_nothing_heavy_is_loaded_to_help_to_refuse_and_to_inform(words, models):
    code = f"import sys; from rheon.cli import main; main(sys.argv[1:]); print({HEAVY!r} & set(sys.modules))"
    assert _run(*words.format(models=models).split(), code=code).stdout.endswith("set()\n")


def test_without_words_the_verbs_and_an_example_of_each(rheon):
    shown = rheon("")
    assert shown.code == 0
    for verb in ("fit", "sample", "score", "look", "report", "check", "info"):
        assert f"  rheon {verb} " in shown.out
    assert rheon("--help").out == shown.out


def test_version(rheon):
    from importlib import metadata

    try:
        expected = metadata.version("rheon")
    except metadata.PackageNotFoundError:
        expected = "unknown"
    assert rheon("--version").out.startswith(expected)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("ft digits", 2, 'Did you mean "fit"?'),
        ("fit digits --minute 3", 2, "Did you mean --minutes?"),
        ("fit digits --minutes soon", 2, '"soon"'),
        ("fit digits --minutes -1", 2, "minutes must be a number above 0, not -1"),
        ("fit digits --steps 2.5", 2, '"2.5"'),
        ("fit digits --steps 5 --minutes 1", 2, "not both"),
        ("fit digits --test-share 1", 2, "test_share must be a number above 0 and below 1, not 1"),
        ("fit digits --levels 1", 2, "levels must be a whole number from 2 to 256, not 1"),
        ("fit digits moons", 2, "moons"),
        ("fit", 2, "DATA"),
        ("fit moons --levels 4", 2, "moons is a table"),
        ("fit moons --architecture glow", 2, "nice, realnvp, spline"),
        ("fit moons --out no/where", 2, "no folder no"),
        ("fit moons --out {models}/hostile.csv", 2, "not a model of rheon"),
        ("fit moons --out {models}/moons.rheon", 2, "--overwrite"),
        ("fit moons --out {models} --overwrite", 2, "not a model of rheon"),
        ("fit moons --threads 9999", 2, "cores here"),
        ("fit moons --device cuda:99", 2, "device: cuda:99 is not there; this machine has cpu"),
        ("fit moons --device tpu", 2, "device must be"),
        ("fit moon", 3, "did you mean moons?"),
        ("fit nothing.csv", 3, "no file or folder nothing.csv"),
        ("sample {models}/moons.rheon", 2, "--out"),
        ("sample {models}/moons.rheon --out a.png", 2, ".csv, .tsv, .parquet"),
        ("sample {models}/digits.rheon --out a.csv", 2, ".png, .npz, .npy"),
        ("sample {models}/digits.rheon --out no/a.png", 2, "no folder no"),
        ("sample {models}/digits.rheon -n 0 --out a.png", 2, "Must be >= 1"),
        ("sample {models}/digits.rheon -n 10001 --out a.png", 2, "write them to .npz"),
        ("sample {models}/digits.rheon --temperature -1 --out a.png", 2, "Must be >= 0"),
        ("sample nothing --out a.png", 3, "nothing"),
        ("sample {models} --out a.png", 3, "config.json"),
        ("score {models}/moons.rheon digits", 3, "give a table"),
        ("score {models}/digits.rheon moons", 3, "give images"),
        ("score {models}/moons.rheon moons --out a.png", 2, ".csv, .tsv"),
        ("score {models}/moons.rheon {models}/hostile.csv --out {models}/hostile.csv", 2, "is read"),
        ("score {models}/moons.rheon {models}/hostile.csv", 3, "no column 'x0'"),
        ("fit digits --given a", 2, "are for tables, and digits is images"),
        ("fit moons --given a", 2, "no column 'a'; there are 'x0', 'x1'"),
        ("fit moons --schema no.toml", 2, "no.toml cannot be read"),
        ("schema digits", 2, "digits is images"),
        ("sample {models}/moons.rheon --given moons --out a.csv", 2, "nothing is given"),
        ("info nothing", 3, "nothing"),
    ],
)
def test_mistakes_get_one_line_and_their_code(rheon, models, here, words, code, says):
    shown = rheon(words.format(models=models))
    assert shown.code == code
    assert says in shown.err
    assert shown.err.startswith("rheon: ")
    assert shown.err.count("\n") == 1
    assert os.listdir(here) == [], "nothing was begun"


def test_hostile_words_are_shown_as_text(rheon):
    assert "\\x1b[31m" in rheon(["fit", "\x1b[31mred\nline"]).err
    assert "\\x1b[31m" in rheon(["fit", "digits", "--\x1b[31m"]).err


def test_codes_of_the_process():
    done, wrong, missing = _run("--version"), _run("fit", "--bogus"), _run("info", "nothing")
    assert [done.returncode, wrong.returncode, missing.returncode] == [0, 2, 3]
    assert (wrong.stdout, missing.stdout) == ("", "")


def _raising(error):
    def verb(*words, **options):
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (rheon.DataError("bad\ndata"), 3, "bad data"),
        (rheon.ModelError("bad model"), 3, "bad model"),
        (rheon.RheonError("bad use"), 2, "bad use"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was saved"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero. Please report it"),
    ],
)
def test_errors_become_codes(rheon, monkeypatch, error, code, says):
    monkeypatch.delenv("RHEON_DEBUG", raising=False)
    monkeypatch.setattr(app, "app", _raising(error))
    shown = rheon("anything")
    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    assert says in shown.err


def test_a_fault_has_its_traceback_when_asked_for(rheon, monkeypatch):
    monkeypatch.setenv("RHEON_DEBUG", "1")
    monkeypatch.setattr(app, "app", _raising(ZeroDivisionError("by zero")))
    with pytest.raises(ZeroDivisionError):
        rheon("anything")


def test_a_reader_that_goes_away_is_no_fault(models):
    code = f"{sys.executable} -c '{COMMAND}' info {models}/moons.rheon | true; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert shown.stdout.strip() in ("0", "141")


def test_threads_wait_passively_unless_told_otherwise():
    code = "import os; from rheon.cli import main; main(['--version']); print(os.environ['OMP_WAIT_POLICY'])"
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given, found in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        shown = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=inherited | given, check=True
        )
        assert shown.stdout.split()[-1] == found


def test_a_terminal_without_unicode(models):
    shown = _run("info", str(models / "digits.rheon"), PYTHONIOENCODING="ascii")
    assert shown.returncode == 0
    assert "\\xd7" in shown.stdout  # 8×8
