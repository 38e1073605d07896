"""Preparation options from the command line: ``--set image.size=32`` and ``--config FILE.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.errors import OptionError


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
    """The tables of a TOML file: by modality, its options.

    Args:
        path: The file.
        known: Modalities that a table may be of.

    Raises:
        OptionError: The file is missing or not TOML, or holds anything but tables of known modalities.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise OptionError(f"--config {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path} is not valid TOML: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(f"--config {path}: {name!r} stands outside a table; put it under [image] or the like")
        if name not in known:
            raise OptionError(f"--config {path}: [{name}] is no modality; there are {', '.join(sorted(known))}")
    return tables


def settings_for(modality: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A modality's own table as settings by full name (``[image]`` ``size = 32`` is ``image.size``); one file may
    serve corpora of several modalities."""
    return {f"{modality}.{name}": value for name, value in tables.get(modality, {}).items()}
