"""Summaries of corpora and runs, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from weft.cli.corpus_text import corpus_text
from weft.cli.run_text import run_text
from weft.cli.session import CommandSession
from weft.pages.numbers import count


def print_summary(summary: Mapping[str, Any], path: Path, *, as_json: bool, whole: bool = False) -> None:
    """Print what ``Corpus.summary`` or ``Run.summary`` gave, as one JSON object or as lines for a person: a few with
    what matters, or the ``whole`` of it. Nothing but JSON is printed where the command was told to be quiet."""
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
        return
    context = click.get_current_context(silent=True)
    session = context.find_object(CommandSession) if context is not None else None
    if session is not None and session.quiet:
        return
    for line in whole_text(summary, path) if whole else _text(summary, path):
        click.echo(line)


def _text(summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    return corpus_text(summary, path) if summary["kind"] == "corpus" else run_text(summary, path)


def whole_text(summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    """All of a summary."""
    yield f"{summary['kind']} {path}"
    yield from render(summary)


def render(summary: Mapping[str, Any], indent: int = 2) -> Iterator[str]:
    """Aligned ``name  value`` lines; what is nested is indented below its name."""
    shown = {name: value for name, value in summary.items() if name != "kind"}
    width = max((len(_label(name)) for name, value in shown.items() if not _nested(value)), default=0)
    for name, value in shown.items():
        margin = " " * indent
        if not _nested(value):
            yield f"{margin}{_label(name):<{width}}  {_value(value)}"
            continue
        yield f"{margin}{_label(name)}"
        if isinstance(value, Mapping):
            yield from render(value, indent + 2)
        else:
            for each in value:
                yield f"{margin}  - {_inline(each)}"


def _nested(value: Any) -> bool:
    """Whether a value needs lines of its own: mappings, and lists of anything but a few plain values."""
    if isinstance(value, Mapping):
        return bool(value)
    return _is_list(value) and any(isinstance(each, Mapping) or _is_list(each) or len(str(each)) > 40 for each in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _label(name: object) -> str:
    return str(name).replace("_", " ")


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(name)} {_value(each)}" for name, each in value.items())
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return _inline(value) or "none"
    if _is_list(value):
        return ", ".join(_value(each) for each in value) or "none"
    return "none" if value is None else str(value)
