"""Preparation options from the command line: ``--set image.size=32`` and ``--config FILE.toml``."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import OptionError

if TYPE_CHECKING:
    from weft.interfaces.source import Source, SourceLimits

SOURCES = "sources"


def read_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """What ``--set`` gave, by full name.

    Raises:
        OptionError: An assignment has no ``=``.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"--set takes OPTION=VALUE, such as image.size=32; got {assignment!r}")
        settings[name.strip()] = value.strip()
    return settings


def read_config(path: Path, known: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The tables of a TOML file: by modality, its options. ``[[sources]]`` is left to :func:`read_sources`.

    Args:
        path: The file.
        known: Modalities that a table may be of.

    Raises:
        OptionError: The file is missing or not TOML, or holds anything but tables of known modalities.
    """
    tables = _read_toml(path)
    tables.pop(SOURCES, None)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(f"--config {path}: {name!r} stands outside a table; put it under [image] or the like")
        if name not in known:
            raise OptionError(f"--config {path}: [{name}] is no modality; there are {', '.join(sorted(known))}")
    return tables


def read_sources(path: Path) -> list[Source]:
    """The ``[[sources]]`` of a TOML file, each with its ``location``, and ``weight``, ``license`` and ``origin``.

    Raises:
        OptionError: The file is missing or not TOML, or a table is not as it should be.
    """
    from weft.interfaces.source import Source

    tables = _read_toml(path).get(SOURCES, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise OptionError(f"--config {path}: sources are tables; begin each with [[{SOURCES}]]")
    sources = []
    for number, table in enumerate(tables, 1):
        where = f"--config {path}: source {number}"
        unknown = sorted(set(table) - {"location", "weight", "license", "origin"})
        if unknown or not isinstance(table.get("location"), str):
            what = f"has an unknown field {unknown[0]!r}" if unknown else "has no location"
            raise OptionError(f"{where} {what}; a source has location, weight, license and origin")
        weight = table.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise OptionError(f"{where}: weight is a number, got {weight!r}")
        sources.append(Source(table["location"], float(weight), table.get("license"), table.get("origin")))
    return sources


def read_limits(assignments: Sequence[str]) -> SourceLimits:
    """What ``--limit`` gave.

    Raises:
        OptionError: There is no such limit, or it is no whole number from 1.
    """
    from weft.interfaces.source import SourceLimits

    known = [field.name for field in dataclasses.fields(SourceLimits)]
    given: dict[str, int] = {}
    for assignment in assignments:
        name, _, value = (part.strip() for part in assignment.partition("="))
        if name not in known or not value.isdecimal():
            raise OptionError(f"--limit takes NAME=N with a name of {', '.join(known)}; got {assignment!r}")
        given[name] = int(value)
    return SourceLimits(**given)


def settings_for(modality: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A modality's own table as settings by full name (``[image]`` ``size = 32`` is ``image.size``); one file may
    serve corpora of several modalities."""
    return {f"{modality}.{name}": value for name, value in tables.get(modality, {}).items()}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise OptionError(f"--config {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path} is not valid TOML: {error}") from error
