"""The rules of the house, read from the source: nothing here imports rheon.

Each rule is a function from a file's path and syntax tree to its faults, and is shown below to see a breach.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "rheon").rglob("*.py"))

# A room imports only from rooms that stand after it. The leaves import nothing but errors.
ORDER = [
    *("cli", "estimators", "reports", "plots"),
    *("checks", "models", "images", "tables", "density", "card", "verdicts", "storage"),
    *("architectures", "training", "evaluation"),
    *("datasets", "flow", "memory", "fused", "distributions", "conditioners"),
    *("bijections", "partitions", "elementwise", "arrays", "files", "noise", "text", "bounds"),
    "errors",
]
LEAVES = {
    "datasets",
    "distributions",
    "conditioners",
    "partitions",
    "elementwise",
    "arrays",
    "files",
    "noise",
    "text",
    "bounds",
}


def imports(tree: ast.AST, path: str) -> Iterator[str]:
    """Every module that is imported anywhere in the file, inside functions too, by its absolute name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.removesuffix(".py").split("/")[: -node.level] if node.level else []
            name = ".".join([*package, *filter(None, [node.module])])
            yield from {f"rheon.{alias.name}" if name == "rheon" else name for alias in node.names}


def import_direction(path: str, tree: ast.AST) -> Iterator[str]:
    here = path.removesuffix(".py").split("/")
    if len(here) == 2 and here[1] in ("__init__", "__main__"):
        return  # the package's own face and door may look at every room
    if here[1] not in ORDER:
        yield f"the room {here[1]} has no place in the order"
        return
    for name in imports(tree, path):
        there = name.split(".")
        if there[0] != "rheon":
            continue
        if there == here[: len(there)]:
            yield f"{name} is the face of a folder that this file stands in: import the file"
        elif there[1] not in ORDER:
            yield f"{name} is in no room of the order"
        elif there[1] != here[1] and ORDER.index(there[1]) < ORDER.index(here[1]):
            yield f"{name} stands above"
        elif there[1] not in (here[1], "errors") and here[1] in LEAVES:
            yield f"{name}: a leaf imports only errors"


def length(path: str, tree: ast.Module) -> Iterator[str]:
    if tree.body and (last := max(node.end_lineno or 0 for node in tree.body)) > 400:
        yield f"{last} lines are asking to be two files"


UNSAFE_MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
UNSAFE_NAMES = {"torch.load", "torch.save", "torch.jit.load", "torch.serialization.load"}


def safe(path: str, tree: ast.AST) -> Iterator[str]:
    """No way by which a file that is read could run code."""
    yield from (name for name in imports(tree, path) if name.split(".")[0] in UNSAFE_MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in UNSAFE_NAMES:
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from UNSAFE_NAMES & {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Name) and node.id in ("eval", "exec"):
            yield node.id
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield from () if ast.unparse(node.value) == "False" else ("allow_pickle",)


# Rooms in which each exported class shows a runnable example, and tells its arguments.
SHOWN = {"bijections", "conditioners", "distributions", "elementwise", "partitions", "training"}


def exported(room: str, name: str) -> bool:
    """Whether the room's face lists the name; a room of one file has no face, and exports what is public."""
    face = ROOT / "rheon" / room / "__init__.py"
    return not face.exists() or any(
        ast.unparse(node.targets[0]) == "__all__" and name in ast.literal_eval(node.value)
        for node in ast.parse(face.read_bytes()).body
        if isinstance(node, ast.Assign)
    )


def documented(path: str, tree: ast.Module) -> Iterator[str]:
    room = path.removesuffix(".py").split("/")[1]
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name[0] == "_":
            continue
        text = ast.get_docstring(node) or ""
        if not text:
            yield f"class {node.name} has no docstring"
        elif room in SHOWN and exported(room, node.name):
            if ">>> " not in text:
                yield f"class {node.name} shows no example"
            inits = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
            if any(ast.unparse(f.args) != "self" for f in inits) and "\nArgs:\n" not in text:
                yield f"class {node.name} takes arguments that its docstring does not tell"


RULES = [import_direction, length, safe, documented]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule):
    paths = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_bytes()) for file in FILES}
    faults = [f"{path}: {fault}" for path, tree in paths.items() for fault in rule(path, tree)]
    assert not faults, "\n".join(faults)


SCALING = """
class Scaling:
    '''z = exp(s) x.

    Args:
        s: logarithm of the scale.

    >>> Scaling(0)
    '''

    def __init__(self, s): ...
"""


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (import_direction, "rheon/flow.py", "def f():\n    from rheon.training import train"),
        (import_direction, "rheon/training/loop.py", "import rheon.architectures.nice"),
        (import_direction, "rheon/evaluation/check.py", "from rheon.architectures import nice"),
        (import_direction, "rheon/conditioners/mlp.py", "from rheon.partitions import Halves"),
        (import_direction, "rheon/bijections/coupling.py", "from rheon.bijections import Bijection"),
        (import_direction, "rheon/bijections/coupling.py", "from . import base"),
        (import_direction, "rheon/bijections/coupling.py", "from ..flow import Flow"),
        (import_direction, "rheon/images/density.py", "from rheon import fit"),
        (import_direction, "rheon/images/density.py", "from rheon import models"),
        (import_direction, "rheon/images/density.py", "import rheon"),
        (import_direction, "rheon/new_room.py", ""),
        (length, "rheon/flow.py", "x = 0\n" * 401),
        (safe, "rheon/storage.py", "from pickle import loads"),
        (safe, "rheon/storage.py", "import yaml"),
        (safe, "rheon/storage.py", "torch.load(path, weights_only=True)"),
        (safe, "rheon/storage.py", "from torch import load"),
        (safe, "rheon/storage.py", "numpy.load(path, allow_pickle=True)"),
        (safe, "rheon/storage.py", "eval('1')"),
        (documented, "rheon/flow.py", "class Flow:\n    x = 0"),
        (documented, "rheon/partitions.py", "class Thirds:\n    'A partition.'"),
        (documented, "rheon/bijections/scaling.py", SCALING.replace(">>>", "::")),
        (documented, "rheon/bijections/scaling.py", SCALING.replace("Args:", "Reference:")),
    ],
)
def test_rule_sees_a_breach(rule, path, source):
    assert list(rule(path, ast.parse(source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rheon/bijections/coupling.py", "from rheon.bijections.base import Bijection"),
        ("rheon/bijections/coupling.py", "from .base import Bijection"),
        ("rheon/bijections/__init__.py", "from rheon.bijections.coupling import Coupling"),
        ("rheon/cli/fit.py", "from rheon.reports import report\nfrom rheon import flow"),
        ("rheon/partitions.py", "from rheon.errors import RheonError"),
        ("rheon/__init__.py", "from rheon.flow import Flow"),
        ("rheon/bijections/scaling.py", SCALING),
        ("rheon/bijections/scaling.py", "class Helper:\n    'Not exported.'\n    def __init__(self, x): ..."),
        ("rheon/partitions.py", "class Thirds:\n    '>>> Thirds()'\n    def __init__(self): ..."),
        ("rheon/flow.py", "model.eval()\nsafetensors.torch.load_file(path)\nclass _Own: pass"),
    ],
)
def test_rules_leave_good_code_alone(path, source):
    assert [fault for rule in RULES for fault in rule(path, ast.parse(source))] == []


# Written so that this file does not contain what it looks for.
FOREIGN = re.compile(
    r"pypi\.org|pythonhosted\.org|download\.pytorch\.org|anaconda\.org|npmjs\.org|deb\.debian\.org"
    r"|index[-]url|find[-]links|(?<![\w.])/(?:work|tmp|root|home/\w+)/|\.\./shared\b"
)


def test_text_names_no_registry_and_no_path_of_one_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    faults = []
    for name in filter(None, names):
        file = ROOT / name
        if file.is_file():
            for number, line in enumerate(file.read_text(errors="ignore").splitlines(), 1):
                faults += [f"{name}:{number}: {found}" for found in FOREIGN.findall(line)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("text", ["https://pypi{}.org/simple", "cd /t{}mp/x", "--extra-index{}-url"])
def test_foreign_text_is_seen(text):
    assert FOREIGN.search(text.format(""))
    assert not FOREIGN.search(text)


def test_version_is_one():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
