"""Data sets in memory on their way to worker processes."""

from __future__ import annotations

import itertools
import os
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

from weft.errors import SourceError

HEAVY = 16 << 20
"""Bytes above which a data set is a burden to carry."""

_numbers = itertools.count()
_arrived: weakref.WeakValueDictionary[str, Shared] = weakref.WeakValueDictionary()


class Shared:
    """Holds an object that many items need. Items that travel together carry it once, and a process that has it already
    keeps the one it has, with whatever the object has opened.

    Attributes:
        value: The object.
        key: Tells it from others, in all processes.
    """

    def __init__(self, value: Any, key: str) -> None:
        self.value = value
        self.key = key
        _arrived[key] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self.value, self.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shared) and other.key == self.key


def share(value: Any) -> tuple[Shared, list[str]]:
    """Hold an object, with a warning where it is heavy.

    Raises:
        SourceError: It cannot travel to another process.
    """
    name = type(value).__qualname__
    try:
        size = len(ForkingPickler.dumps(value))
    # Any object may say in its own way that it cannot.
    except Exception as error:
        raise SourceError(
            f"the data set {name} cannot be handed to worker processes ({error}); give one that can be pickled: "
            f"without lambdas and open files"
        ) from error
    warnings = []
    if size > HEAVY:
        warnings.append(
            f"the data set {name} has {size >> 20} MiB in memory, which travel to worker processes with each batch of "
            f"items; prepare it with one process, or save it as files first"
        )
    return Shared(value, f"{os.getpid()}-{next(_numbers)}"), warnings


def _arrive(value: Any, key: str) -> Shared:
    return _arrived.get(key) or Shared(value, key)
