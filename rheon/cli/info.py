"""``rheon info``: what a model is, from its ``config.json`` alone."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rheon.cli.closing import closing
from rheon.cli.console import say, say_facts
from rheon.storage import read_config
from rheon.training.settings import Settings

# An architecture may have levels of its own, which are scales.
_LABELS = {"levels": "grey levels", "shape": "shape C, H, W", "layout": "axes"}


def info(model: Path, /) -> None:
    """Says what a model is: its data, architecture, training and figures. Its weights are not read.

    Args:
        model: A model directory.
    """
    config = read_config(model)
    say(f"{model}: a density of {'images' if config['kind'] == 'image' else 'rows of a table'}")
    say_facts(list(_facts(config)))
    columns = config.get("schema")
    if isinstance(columns, list):
        say()
        say("columns")
        say_facts([(str(c.get("name")), _column(c, config)) for c in columns if isinstance(c, dict)])
    for title in ("data", "training"):
        section = config.get(title)
        if isinstance(section, dict) and section:
            say()
            say(title)
            say_facts([(name.replace("_", " "), _shown(value)) for name, value in section.items()])
    settings = config.get("settings")
    if isinstance(settings, dict) and (chosen := list(_chosen(settings))):
        say()
        say("settings, where they are not rheon.training.Settings' own")
        say_facts(chosen)
    figures = config.get("figures")
    if isinstance(figures, dict) and figures:
        say()
        say("figures")
        for line in closing(figures):
            say(line)


def _facts(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    arguments = config["architecture"]["arguments"]
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    yield "architecture", f"{config['architecture']['name']}({shown})"
    for section in ("schema", "preprocessing"):
        facts = config.get(section)
        if isinstance(facts, dict):
            yield from ((_LABELS.get(name) or name, _shown(value)) for name, value in facts.items())
    yield "written by", f"rheon {config['rheon_version']}, format {config['format_version']}"


def _column(column: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    parts = [str(column.get("kind"))]
    if column.get("name") in config.get("given", ()):
        parts.append("given")
    if isinstance(values := column.get("categories"), list):
        parts.append(f"{len(values)} values")
    if isinstance(missing := column.get("missing"), float):
        parts.append(f"{missing:.1%} missing")
    return ", ".join([*parts, *([str(column["note"])] if column.get("note") else [])])


def _chosen(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    usual = {name: _shown(value) for name, value in asdict(Settings()).items()}
    for name, value in settings.items():
        if (value is not None and _shown(value) != usual.get(name)) or name == "seed":
            yield name.replace("_", " "), _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = [", ".join(map(str, item)) if isinstance(item, list) else str(item) for item in value[:12]]
        return ("; " if any(isinstance(item, list) for item in value) else ", ").join(shown) + (
            f" … ({len(value)} in all)" if len(value) > 12 else ""
        )
    return f"{value:.6g}" if isinstance(value, float) else str(value)
