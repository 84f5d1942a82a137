import shutil
import subprocess

import pytest

COMPLETE = """
source ./script
COMP_WORDS=({words}) COMP_CWORD={at} COMP_LINE="{words}" COMP_POINT=99
_rheon 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "found"), [("rheon fi", "fit"), ("rheon che", "check"), ("rheon fit --minu", "--minutes")]
)
def test_bash_completes_verbs_and_flags(here, capsys, words, found):
    from rheon.cli import main

    assert main(["completion", "bash"]) == 0
    (here / "script").write_text(capsys.readouterr().out)
    script = COMPLETE.format(words=words, at=len(words.split()) - 1)
    shown = subprocess.run(["bash", "-c", script], cwd=here, capture_output=True, text=True, check=True)
    assert found in shown.stdout.split()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(capsys, shell):
    from rheon.cli import main

    assert main(["completion", shell]) == 0
    assert "--minutes" in capsys.readouterr().out or shell == "fish"


def test_an_unknown_shell_is_refused(rheon):
    shown = rheon("completion tcsh")
    assert (shown.code, "bash" in shown.err) == (2, True)
