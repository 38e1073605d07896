"""Preparation options from the command line: ``--set image.size=32`` and ``--config FILE.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.errors import OptionError


def read_settings(config: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Settings by full name; an assignment on the command line goes before the file.

    Raises:
        OptionError: The file is missing or not TOML, or an assignment has no ``=``.
    """
    settings = {} if config is None else read_config(config)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"--set takes OPTION=VALUE, such as image.size=32; got {assignment!r}")
        settings[name.strip()] = value.strip()
    return settings


def read_config(path: Path) -> dict[str, Any]:
    """The tables of a TOML file as settings by full name (``[image]`` ``size = 32`` is ``image.size``)."""
    try:
        with path.open("rb") as file:
            return dict(_flatten(tomllib.load(file), path))
    except OSError as error:
        raise OptionError(f"--config {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path} is not valid TOML: {error}") from error


def _flatten(tables: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    for modality, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(f"--config {path}: {modality!r} stands outside a table; put it under [image] or the like")
        for name, value in table.items():
            yield f"{modality}.{name}", value
