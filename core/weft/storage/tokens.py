"""Token layers: the ids of many payloads end to end in one array that is read straight from disk.

tokens.npy    all ids; uint16 where the vocabulary fits into it, else uint32
offsets.npy   int64, one more than there are payloads: payload ``i`` lies in ``tokens[offsets[i]:offsets[i + 1]]``
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, overload

import numpy as np
import numpy.typing as npt

from weft.errors import FolderError
from weft.interfaces.codec import Tokens

HEADER_BYTES = 128
"""Length of the header of ``tokens.npy``: fixed, so that the count can be filled in when it is known."""


class TokenLayer(Sequence[Tokens]):
    """Token ids of many payloads; ``layer[i]`` is an int32 array of its own, shape ``(length,)``.

    Args:
        tokens: All ids, shape ``(total,)``, of an unsigned type; may be a memory map.
        offsets: int64, shape ``(count + 1,)``, from 0 to ``total`` and never falling.
    """

    def __init__(self, tokens: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> None:
        self._tokens = tokens
        self._offsets = offsets

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a layer into memory.

        Raises:
            FolderError: It is missing, cut off or otherwise damaged.
        """
        try:
            tokens = np.load(folder / "tokens.npy", mmap_mode="r", allow_pickle=False)
            offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(folder, str(error)) from error
        if tokens.dtype not in (np.uint16, np.uint32) or tokens.ndim != 1:
            raise _damaged(folder, f"tokens.npy holds {tokens.dtype} of {tokens.ndim} dimensions")
        if offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets):
            raise _damaged(folder, "offsets.npy is not a list of int64")
        if offsets[0] != 0 or offsets[-1] != len(tokens) or np.any(np.diff(offsets) < 0):
            raise _damaged(folder, "offsets.npy and tokens.npy do not belong together")
        return cls(tokens, offsets)

    @classmethod
    def from_arrays(cls, arrays: Iterable[Tokens], vocab_size: int) -> Self:
        """A layer in memory."""
        dtype = token_dtype(vocab_size)
        pieces = [_checked(array, vocab_size).astype(dtype) for array in arrays]
        offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        return cls(np.concatenate([np.empty(0, dtype), *pieces]), offsets)

    @property
    def total(self) -> int:
        """Tokens of all payloads together."""
        return int(self._offsets[-1])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each payload, int64, shape ``(count,)``."""
        return np.diff(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Tokens: ...

    @overload
    def __getitem__(self, index: slice) -> list[Tokens]: ...

    def __getitem__(self, index: int | slice) -> Tokens | list[Tokens]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.view(index).astype(np.int32)

    def view(self, index: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Tokens of one payload as they lie on disk, nothing copied: part of a long one costs only what is read."""
        place = range(len(self))[index]
        return np.asarray(self._tokens[self._offsets[place] : self._offsets[place + 1]])


class TokenWriter:
    """Writes a layer payload by payload into an existing folder; holds only the offsets in memory.

    Use it as a context manager: the files are complete when the block ends without an error.

    Args:
        folder: Where the two files go.
        vocab_size: Every id is below it.
    """

    def __init__(self, folder: Path, vocab_size: int) -> None:
        self._folder = folder
        self._vocab_size = vocab_size
        self._dtype = token_dtype(vocab_size)
        self._offsets = [0]
        self._file: BinaryIO = (folder / "tokens.npy").open("wb")
        self._file.write(_header(self._dtype, 0))

    @property
    def total(self) -> int:
        """Tokens written so far."""
        return self._offsets[-1]

    def append(self, tokens: npt.ArrayLike) -> None:
        """Add the ids of the next payload, shape ``(length,)``.

        Raises:
            ValueError: An id is outside of the vocabulary.
        """
        array = _checked(tokens, self._vocab_size)
        self._file.write(array.astype(self._dtype).tobytes())
        self._offsets.append(self._offsets[-1] + len(array))

    def extend(self, several: Sequence[npt.ArrayLike]) -> None:
        """As :meth:`append`, for many payloads at once, which costs less."""
        arrays = [np.asarray(tokens) for tokens in several]
        if any(array.ndim != 1 for array in arrays):
            raise ValueError("token ids must have the shape (length,)")
        if not arrays:
            return
        joined = _checked(np.concatenate(arrays), self._vocab_size)
        self._file.write(joined.astype(self._dtype).tobytes())
        ends = self._offsets[-1] + np.cumsum([len(array) for array in arrays])
        self._offsets.extend(ends.tolist())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is not None:
                return
            self._file.seek(0)
            self._file.write(_header(self._dtype, self.total))
            self._file.flush()
            os.fsync(self._file.fileno())
        np.save(self._folder / "offsets.npy", np.asarray(self._offsets, np.int64), allow_pickle=False)


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smaller of the two types that holds every id; little-endian."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def _checked(tokens: npt.ArrayLike, vocab_size: int) -> npt.NDArray[np.int64]:
    array = np.asarray(tokens, dtype=np.int64)
    if array.ndim != 1:
        raise ValueError(f"token ids must have the shape (length,), got {array.shape}")
    if len(array) and (array.min() < 0 or array.max() >= vocab_size):
        raise ValueError(f"token ids must be in 0..{vocab_size - 1}, got {array.min()}..{array.max()}")
    return array


def _header(dtype: np.dtype[Any], count: int) -> bytes:
    """Header of the .npy format, version 1.0, padded to a length that does not depend on the count."""
    fields = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': ({count},), }}"
    body = fields.ljust(HEADER_BYTES - 11).encode("ascii") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def _damaged(folder: Path, why: str) -> FolderError:
    return FolderError(f"the tokens in {folder} are damaged ({why}); prepare the corpus again")
