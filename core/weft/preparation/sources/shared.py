"""Data sets in memory on their way to worker processes: written once, instead of with every item."""

from __future__ import annotations

import functools
import itertools
import os
import pickle
import tempfile
import weakref
from pathlib import Path
from typing import Any

from weft.errors import SourceError

_numbers = itertools.count()
_here: weakref.WeakValueDictionary[str, Shared] = weakref.WeakValueDictionary()


class Shared:
    """Holds an object, and travels as the name of a private temporary file with its pickle, which is removed with the
    last item that needs it. Only processes of one preparation read it: it is no format that anything is kept in.

    Raises:
        SourceError: The object cannot be pickled, and so cannot be read by worker processes.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        handle, path = tempfile.mkstemp(prefix="weft-", suffix=".pickle")
        self.key = f"{path}#{next(_numbers)}"
        self._path = path
        self._finalizer = weakref.finalize(self, Path(path).unlink, missing_ok=True)
        try:
            with os.fdopen(handle, "wb") as file:
                pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            self._finalizer()
            raise SourceError(
                f"the data set {type(value).__qualname__} cannot be handed to worker processes ({error}); give one "
                f"that can be pickled: without lambdas and open files"
            ) from error
        _here[self.key] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _found, (self.key, self._path)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shared | _Copy) and other.key == self.key


class _Copy:
    """What :class:`Shared` is in another process."""

    def __init__(self, key: str, path: str) -> None:
        self.key = key
        self._path = path
        self.value = pickle.loads(Path(path).read_bytes())

    def __reduce__(self) -> tuple[Any, ...]:
        return _found, (self.key, self._path)


@functools.lru_cache(maxsize=4)
def _copy(key: str, path: str) -> _Copy:
    return _Copy(key, path)


def _found(key: str, path: str) -> Shared | _Copy:
    # A child of fork has what its parent had.
    return _here.get(key) or _copy(key, path)
