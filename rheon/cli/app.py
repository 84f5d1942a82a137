"""The verbs of the command, and what it says when something is wrong.

A verb's module is loaded when the verb is used, and torch only once the words on the command line make sense:
help and mistakes are answered at once.

Exit codes: 0 done; 2 wrong usage; 3 data or a model that cannot be used; 4 what was learned could not be
saved; 5 training was given up; 130, 143, 138 stopped by SIGINT (Ctrl-C), SIGTERM, SIGUSR1; 1 a fault of
rheon.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from io import TextIOWrapper

from cyclopts import App, CycloptsError

from rheon.cli.paths import follows
from rheon.errors import DataError, DivergedError, ModelError, RankLostError, RheonError, SaveError

DONE, FAULT, USAGE, BAD_DATA, UNSAVED, DIVERGED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 5, 130, 141

_EXAMPLES = """\
Examples:

  rheon fit digits                                  learn handwritten digits
  rheon schema table.csv                            what are the columns
  rheon sample digits.rheon -n 64 --out new.png     draw 64 new ones
  rheon score digits.rheon digits --out s.csv       how likely is each of them
  rheon impute m.rheon holes.csv --out whole.csv    fill in what is missing
  rheon look digits.rheon digits --out pictures     what does it hold
  rheon report digits.rheon --data digits           what is it worth: a page
  rheon check digits.rheon                          is its density one
  rheon info digits.rheon                           what is this model
  rheon completion bash                             let the shell complete
"""

# Told here and not by the verbs, whose modules the list of verbs (of each the first line) does not load.
_VERBS = {
    "fit": """Learn the density of images or of a table.

Trains for 1.5 minutes unless told otherwise. Leaves a model directory with
weights, model card, log and pictures, and prints how likely it makes images or
rows that were kept apart.

Training saves itself every minute. Ctrl-C, SIGTERM and SIGUSR1 stop it after
the step at hand, saved, with exit code 130, 143 or 138. The same command goes
on from there, as if it had never stopped; --finish makes the model of what
was learned so far. Exit code 4: it could not be saved (a full disk); 5: training
came to values that are not finite, and the best model before that is saved.

Every choice of a run can stand in a TOML file: --print-config writes one.

Example: rheon fit measurements.csv --minutes 5""",
    "schema": """Say what the columns of a table are.

Prints TOML: of each column its kind, step, bounds, categories, frequent single
values and share of missing ones. Edited, it goes to rheon fit --schema.

Example: rheon schema measurements.csv > columns.toml""",
    "sample": """Draw new images or rows.

Example: rheon sample m.rheon -n 1000 --out new.parquet""",
    "score": """Give every image or row its log-density.

Prints the mean with its standard error. The columns of --out are, for images,
index, name (where they are files), log_prob_nats, bits_per_dim and likelihood,
which says what these two are: exact, or which bound; for rows, log_prob_nats,
per product of the continuous columns' units, percentile, the share of training
rows that score as low or lower, and anomaly: whether the score is lower than
those of all training rows but the lowest 1 % (--contamination).

--explain 3 names the three columns that make an anomaly unusual, each with its
surprisal, -log p of the cell given the rest of its row, and with the excess of
that over what it is on average for such a row.

Example: rheon score m.rheon new.csv --out scores.csv""",
    "impute": """Draw the missing cells of a table.

Each is drawn given what is there in its row; all else stays as it is. Where
only categories and one number are missing the draw is exact, else it is taken
from many by their weights, and how many of these count is told. -n 5 draws
five times, for multiple imputation, and adds a column draw.

Example: rheon impute m.rheon holes.csv --out filled.csv""",
    "look": """Draw what a model of images holds.

Writes pictures: draws at temperatures; with DATA also the way between four
images, what each scale holds (finer latents drawn anew), images from their
latents, the nearest images to draws, and where in an image its bits are.

Example: rheon look digits.rheon digits --out pictures""",
    "report": """Write a report on a model: one HTML file that loads nothing.

Verdicts first, each with its number: likelihood beside simpler models, checks
of the density, and with --data how far its draws are from rows or images that
it did not learn from. Shows no row of the data.

Example: rheon report m.rheon --data test.csv""",
    "check": """Check that a model's density is one.

The battery of rheon.check_flow on the trained flows; exit code 1 where a
check fails.

Example: rheon check m.rheon""",
    "info": """Say what a model is, without loading it.

Example: rheon info digits.rheon""",
    "completion": """Print the script by which a shell completes the command.

Example, once: rheon completion bash >> ~/.bash_completion
For zsh: rheon completion zsh > a folder of $fpath/_rheon
For fish: rheon completion fish > ~/.config/fish/completions/rheon.fish""",
}


def _version() -> str:
    try:
        return metadata.version("rheon")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


app = App(
    name="rheon",
    help="Exact probability densities of tables and images, learned with coupling normalizing flows.",
    version=_version,
    help_format="plaintext",
    help_epilogue=_EXAMPLES,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for _place, (_verb, _help) in enumerate(_VERBS.items()):
    app.command(f"rheon.cli.{_verb}:{_verb}", name=_verb, help=_help, help_epilogue="", sort_key=_place)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code; a :class:`~rheon.RheonError` becomes one line on stderr.

    Of several processes that ``torchrun`` started, only the first says something.
    """
    if not follows():
        return _main(words)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return _main(words)


def _main(words: Sequence[str] | None) -> int:
    # Before torch is loaded: waiting threads must sleep, not spin, or small networks run many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Arrow's own allocator sets aside a gigabyte of addresses, which a limit (ulimit -v) would count.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without Unicode gets \u escapes, not a crash
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(sys.argv[1:] if words is None else words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return code or DONE
    except CycloptsError as error:
        verb = " ".join(("rheon", *(error.command_chain or ())))
        return _fail(USAGE, f"{error} See {verb} --help.")
    except (DataError, ModelError) as error:
        return _fail(BAD_DATA, str(error))
    except DivergedError as error:
        return _fail(DIVERGED, str(error))
    except SaveError as error:
        return _fail(UNSAVED, str(error))
    except RankLostError as error:
        return _fail(FAULT, str(error))
    except RheonError as error:
        return _fail(USAGE, str(error))
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted; nothing was saved")
    except BrokenPipeError:
        # Whoever read our output went away; at exit Python would complain about what is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PIPE_CLOSED
    except Exception as error:
        if os.environ.get("RHEON_DEBUG"):
            raise
        return _fail(
            FAULT,
            f"a fault of rheon itself: {type(error).__name__}: {error}. Please report it, with the traceback "
            "that RHEON_DEBUG=1 shows.",
        )


def _fail(code: int, message: str) -> int:
    from rheon.text import plain

    # A fault is told by whichever process has it.
    stream = sys.__stderr__ if code == FAULT else sys.stderr
    print(f"rheon: {plain(' '.join(message.split()))}", file=stream)
    return code
