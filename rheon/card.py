"""The model card: README.md of a model directory, from the facts in its config."""

from collections.abc import Iterator, Mapping
from typing import Any

from rheon.bounds import by_kind
from rheon.verdicts import recorded

_USE = """```python
import rheon

model = rheon.load("{path}")
model.log_prob(data)  # nats, in the data's own units
model.sample(64)
```
"""


def card(config: Mapping[str, Any], path: str) -> str:
    """What the model is, what it learned from, its figures, how to use it; Markdown."""
    architecture = config["architecture"]
    arguments = ", ".join(f"{name}={value!r}" for name, value in architecture["arguments"].items())
    figures = by_kind(config.get("figures") or {})
    parts = [
        f"# A density of {_cell(config.get('data', {}).get('description', 'data'))}",
        f"Architecture: `{architecture['name']}({arguments})`, by rheon.",
        *_verdicts(config),
        *(_section(title, config[title]) for title in ("data", "training") if config.get(title)),
        *(_section(_titled(kind), group) for kind, group in figures.items() if group),
        "## Use",
        _USE.format(path=path),
    ]
    return "\n\n".join(parts)


def _verdicts(config: Mapping[str, Any]) -> Iterator[str]:
    found = list(recorded(config))
    if found:
        marks = {"good": "✓", "fair": "!", "bad": "✗"}
        lines = (f"- {marks[v.level]} {_cell(f'{v.text} {v.advice}')}" for v in found)
        yield "\n".join(("## In short", "", *lines))


def _titled(kind: str) -> str:
    return f"figures: {kind}" if kind else "figures"


def _section(title: str, facts: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items())
    return f"## {title[:1].upper()}{title[1:]}\n\n| | |\n|---|---|\n{rows}"


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value).replace("_", " ")
    # Column names and categories come from users' files: they are text here, never markup.
    for mark in ("\\", "`", "|", "*", "_", "<", ">", "[", "]"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
