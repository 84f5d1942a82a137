"""The directive ``{run}``: code of a document that runs when it is built, its output and figures below it.

Blocks of one document share their names, from top to bottom. What a block prints is shown; every matplotlib
figure that it leaves open, and every Pillow image named ``picture``, becomes a picture. An exception ends
the build. Option ``:hide-code:`` shows only what comes out.
"""

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class Run(SphinxDirective):
    """Runs its content."""

    has_content = True
    option_spec = {"hide-code": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        document = self.env.docname
        names = _NAMES.setdefault(document, {"__name__": "__main__"})
        code, printed = "\n".join(self.content), io.StringIO()
        with _folder_of(document), contextlib.redirect_stdout(printed):
            exec(compile(code, f"{document}, line {self.lineno}", "exec"), names)  # noqa: S102
        found: list[nodes.Node] = []
        if "hide-code" not in self.options:
            found.append(nodes.literal_block(code, code, language="python"))
        if text := printed.getvalue().rstrip():
            found.append(nodes.literal_block(text, text, language="text", classes=["output"]))
        pictures = [pyplot.figure(number) for number in pyplot.get_fignums()]
        picture = names.pop("picture", None)
        found += [self._picture(shown) for shown in [*pictures, *([] if picture is None else [picture])]]
        pyplot.close("all")
        return found

    def _picture(self, shown: Any) -> nodes.image:
        name = f"{self.env.docname.replace('/', '-')}-{self.env.new_serialno('run')}.png"
        folder = Path(self.env.srcdir) / _PICTURES
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(shown, "savefig"):
            shown.savefig(folder / name, dpi=110)
        else:
            shown.save(folder / name)
        return nodes.image(uri=f"/{_PICTURES}/{name}", alt="made by the code above")


_PICTURES = "_build/run"
_NAMES: dict[str, dict[str, Any]] = {}
_FOLDERS: dict[str, tempfile.TemporaryDirectory[str]] = {}


@contextlib.contextmanager
def _folder_of(document: str) -> Any:
    """A working folder for the files that a document's code leaves."""
    if document not in _FOLDERS:
        _FOLDERS[document] = tempfile.TemporaryDirectory()
    before = os.getcwd()
    os.chdir(_FOLDERS[document].name)
    try:
        yield
    finally:
        os.chdir(before)


class Shell(SphinxDirective):
    """``{shell}``: lines of ``rheon …`` that run when the document is built, with what they print."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        from rheon.cli import main

        found: list[nodes.Node] = []
        for line in self.content:
            printed = io.StringIO()
            with _folder_of(self.env.docname), contextlib.redirect_stdout(printed):
                code = main(re.sub(r"\s+#.*", "", line).split()[1:])
            if code:
                raise self.error(f"{line}: exit code {code}")
            found.append(nodes.literal_block(line, line, language="sh"))
            if text := printed.getvalue().strip("\n"):
                found.append(nodes.literal_block(text, text, language="text", classes=["output"]))
        return found


def setup(app: Any) -> dict[str, Any]:
    """The two directives."""
    app.add_directive("run", Run)
    app.add_directive("shell", Shell)
    return {"parallel_read_safe": False}
