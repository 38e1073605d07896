"""Typed options of a plugin: a frozen dataclass whose fields carry their help and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] | None = None,
    place: bool = False,
) -> Any:
    """A field of an options dataclass.

    Args:
        default: Value when the user sets nothing; ``None`` where :meth:`weft.Preparer.resolve` derives it from the
            data.
        help: One line for ``weft prepare --help``.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        choices: The only values allowed.
        place: Whether it says where something lies on this machine: it is recorded, but corpora that differ in it alone
            are equal.
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "choices": choices, "place": place}
    return field(default=default, metadata=metadata)
