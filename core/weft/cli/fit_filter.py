"""``weft fit-filter``: a filter of texts from labelled ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.session import global_options

if TYPE_CHECKING:
    from weft.filters import FilterReport, Mistake, TextFilter

_SHOWN = 100


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    return [name.strip() for name in value.split(",") if name.strip()] if value else None


@click.command("fit-filter")
@click.argument("labels", metavar="LABELS", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="FILTER", type=click.Path(path_type=Path), help="File to write.")
@click.option("--drop", metavar="A,B", callback=_names, help="Labels to drop; inferred where there are two known ones.")
@click.option("--keep", metavar="C,D", callback=_names, help="Labels to keep; all others without it.")
@click.option("--text-column", metavar="NAME", help="Column of the texts; found without it.")
@click.option("--label-column", metavar="NAME", help="Column of the labels; found without it.")
@click.option(
    "--precision",
    default=0.99,
    show_default=True,
    help="Share of what is dropped that should be; lower drops more.",
)
@click.option(
    "--unit",
    type=click.Choice(["line", "document"]),
    default="line",
    show_default=True,
    help="What the filter judges, and the labels are of.",
)
@click.option(
    "--background",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Text of the kind to be filtered, nearly all of it to be kept.",
)
@click.option("--name", metavar="NAME", help="Shown in reasons; the name of the file without it.")
@click.option("--force", is_flag=True, help="Replace a filter that is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@global_options
def fit_filter(labels: Path, out: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Learn which texts to drop from a table of labelled ones (.csv, .tsv or .jsonl).

    Any labels that say what to keep and what to drop will do: harmful or not, about a topic or not.
    """
    from weft.filters import fit_filter as fit

    _check_target(out, force=force)
    fitted = fit(labels, out, **options)
    if as_json:
        click.echo(json.dumps({"kind": "filter", "sha256": fitted.sha256, **asdict(fitted.facts)}, ensure_ascii=False))
        return
    for line in _lines(fitted, out):
        click.echo(line)


def _check_target(out: Path, *, force: bool) -> None:
    """Before the time for learning is spent."""
    from weft.errors import OptionError
    from weft.filters import TextFilter

    if out.is_dir():
        raise OptionError(f"{out} is a folder; name a file for the filter")
    if not out.exists():
        return
    if not force:
        raise OptionError(f"{out} is already there; choose another name or pass --force")
    TextFilter.load(out)


def _lines(fitted: TextFilter, out: Path) -> Iterator[str]:
    facts, report = fitted.facts, fitted.facts.report
    yield f"filter {out}"
    yield f"  texts       {_counts(report)}"
    yield f"  drops       {_listed(facts.drop)}; keeps {_listed(facts.keep)}"
    yield (
        f"  held out    {report.held_out:,} {facts.unit}s: precision {report.precision:.3f} "
        f"(asked {report.asked_precision:g}), recall {report.recall:.3f}, accuracy {report.accuracy:.3f}"
    )
    yield f"  telling     {', '.join(report.telling) or 'no word of three texts or more'}"
    yield from _mistakes("wrongly dropped, of those held out", report.wrongly_dropped)
    yield from _mistakes("wrongly kept, of those held out", report.wrongly_kept)
    yield "The figures are of texts like the labelled ones; on others it may do worse (docs/filters.md)."


def _counts(report: FilterReport) -> str:
    parts = [f"{report.texts:,} different", f"{report.drop:,} of them to drop"]
    if report.repeated:
        parts.append(f"{report.repeated:,} repeated left out")
    if report.contradicting:
        parts.append(f"{report.contradicting:,} labelled both ways left out")
    if report.background:
        parts.append(f"{report.background:,} of the background")
    return ", ".join(parts)


def _mistakes(title: str, mistakes: Sequence[Mistake]) -> Iterator[str]:
    if mistakes:
        yield f"  {title}:"
        for each in mistakes:
            yield f"    {each.probability:4.0%}  [{each.label}] {each.text[:_SHOWN]}"


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:12])
    return f"{shown}, ..." if len(labels) > 12 else shown
