"""Writes ``docs/reference.md``: every command and every option of every installed modality, as the code has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from weft.cli.main import cli
from weft.plugins.official import common_extensions
from weft.plugins.options import describe
from weft.plugins.registry import get_registry

TARGET = Path(__file__).with_name("reference.md")


def reference() -> Iterator[str]:
    """The page, line by line."""
    yield "# Reference"
    yield ""
    yield "Written by `make docs` from the commands and options themselves; change those, not this page."
    yield from command_sections()
    yield from option_sections()


def command_sections() -> Iterator[str]:
    """Each command with its arguments and options."""
    context = click.Context(cli, info_name="weft")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield from ("", f"## weft {name}", "", inspect.cleandoc((command.help or "").split("\f")[0]), "")
        yield from ("```", " ".join(["weft", name, *command.collect_usage_pieces(inner)]), "```", "")
        yield from table(("option", "meaning"), command_rows(command, inner))


def command_rows(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    # Without --help, whose spelling click remembers from whoever asked for it first.
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield f"`{record[0]}`", record[1]


def option_sections() -> Iterator[str]:
    """The preparation options of each modality."""
    registry = get_registry(strict=True)
    for name, modality in registry.modalities.items():
        yield from ("", f"## Options of {name}", "", f"{modality.summary}: {' '.join(common_extensions(modality))}", "")
        rows = describe(registry.options_class(name))
        yield from table(
            ("option", "type", "allowed", "default", "meaning"),
            ((f"`{name}.{row.name}`", row.type, row.allowed, row.default, row.help) for row in rows),
        )


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    TARGET.write_text("\n".join(reference()) + "\n", encoding="utf-8")
    click.echo(f"wrote {TARGET}")
