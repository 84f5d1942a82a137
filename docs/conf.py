"""How the documents are built: ``make docs``; every warning is an error."""

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

project = "rheon"
author = "rheon contributors"
release = metadata.version("rheon")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "run",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = "rheon"

html_copy_source = False

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and units stand in the text
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_use_rtype = False

ROOMS = (
    *("partitions", "elementwise", "conditioners", "bijections", "distributions", "architectures"),
    *("training", "evaluation", "datasets", "images", "tables", "plots", "reports", "storage"),
)


def public_names(room: str) -> list[str]:
    """The names that a room of the package shows: its ``__all__``, or what a single file defines."""
    module = importlib.import_module(f"rheon.{room}")
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]


def _write_reference(app: Any) -> None:
    """A page for each room, an entry for each public name, under the name that users import."""
    folder = Path(app.srcdir) / "reference"
    for room in ROOMS:
        module = importlib.import_module(f"rheon.{room}")
        lines = [f"# rheon.{room}", "", inspect.getdoc(module).partition("\n")[0], "", "```{eval-rst}"]
        lines += [f".. currentmodule:: rheon.{room}", ""]
        for name in public_names(room):
            value = getattr(module, name)
            if inspect.isclass(value):
                kind = "exception" if issubclass(value, Exception) else "class"
            elif callable(value):
                kind = "function"
            else:  # its type's own words would say nothing
                known = ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
                lines += [f".. py:data:: {name}", "", f"   ``{known}``", ""]
                continue
            lines += [f".. auto{kind}:: {name}", ""]
        page = "\n".join([*lines, "```", ""])
        path = folder / f"{room}.md"
        if not path.exists() or path.read_text() != page:
            path.write_text(page)


def _as_rst(lines: list[str]) -> list[str]:
    """A docstring of this project as reStructuredText: formulas stand as they are, bars are bars."""
    found: list[str] = []
    prose: list[str] = []
    literal = False

    def flush() -> None:
        found.extend(_without_markup("\n".join(prose)).split("\n") if prose else [])
        prose.clear()

    for line in lines:
        indented = line.startswith("    ") and line.strip() != ""
        before = [*found, *prose]
        if indented and not literal and before and not before[-1].strip() and not _in_section(before):
            flush()
            while found and not found[-1].strip():
                found.pop()
            found += ["", "::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        if literal or line.lstrip().startswith(">>>"):
            flush()
            found.append(line)
        else:
            prose.append(line)
    flush()
    return found


def _in_section(lines: list[str]) -> bool:
    """Whether the last line that is not indented opens a section (Args, Raises) or a list."""
    for line in reversed(lines):
        if line.strip() and not line.startswith(" "):
            return bool(re.match(r"[A-Z]\w+:$|[-*=]|``|>>>|\d+\.", line))
    return False


def _without_markup(text: str) -> str:
    """Bars and stars of formulas are no markup, except in code and in emphasis, which may run over lines."""
    parts = re.split(r"(``[^`]*``|:\w+:`[^`]*`|(?<!\w)\*[^\s*][^*]*?[^\s*]\*(?!\w))", text)
    return "".join(
        part if i % 2 else re.sub(r"([|*_])(?=\S|$)", r"\\\1", part) for i, part in enumerate(parts)
    )


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = _as_rst(lines)


def setup(app: Any) -> None:
    """Writes the reference first, and puts the step above before napoleon's."""
    app.connect("builder-inited", _write_reference)
    app.connect("autodoc-process-docstring", _process, priority=100)
