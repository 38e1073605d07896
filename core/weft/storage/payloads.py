"""The payloads of a corpus in Parquet files, written as they come and read by index.

One row a part: ``payload`` (binary), the bytes of the modality's :class:`weft.PayloadFormat`. Row groups are small, so
that reading one payload reads little else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.samples import P, Sample

GROUP_ROWS = 64
GROUP_BYTES = 4 << 20
CACHE_BYTES = 256 << 20
OPEN_FILES = 16
SHARD_BYTES = 256 << 20
"""Bytes of payloads after which a new file is begun."""

SCHEMA = pa.schema([pa.field("payload", pa.binary(), nullable=False)])

T = TypeVar("T")


class PayloadWriter:
    """Appends payloads to new files in a folder; holds one row group in memory. A context manager.

    Args:
        folder: Where the files go; made if it is not there.
        first: Number of the first file.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        self._folder = folder
        self._number = first
        self._writer: Any = None
        self._group: list[bytes] = []
        self._bytes = 0
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, payload: bytes) -> None:
        """Add one payload."""
        self._group.append(payload)
        self._bytes += len(payload)
        if len(self._group) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._group:
            return
        if self._writer is None:
            path = self._folder / shard_name(self._number)
            self._writer = pq.ParquetWriter(
                path, SCHEMA, compression="zstd", use_dictionary=False, write_statistics=False
            )
        self._writer.write_table(pa.table([pa.array(self._group, pa.binary())], schema=SCHEMA))
        self._written += self._bytes
        self._group, self._bytes = [], 0
        if self._written >= SHARD_BYTES:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer, self._number, self._written = None, self._number + 1, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._close()


def shard_name(number: int) -> str:
    """Name of a file of payloads."""
    return f"{number:05d}.parquet"


class PayloadStore(Sequence[bytes]):
    """Reads payloads by index; row groups read last are kept in memory, up to :data:`CACHE_BYTES`.

    Args:
        paths: The files, in the order of their payloads.

    Raises:
        FolderError: On opening or reading, if a file is missing or damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._open: OrderedDict[int, Any] = OrderedDict()
        counts = [self._group_sizes(number) for number in range(len(self._paths))]
        self._group_of = [(number, group) for number, groups in enumerate(counts) for group in range(len(groups))]
        rows = [count for groups in counts for count in groups]
        self._starts = np.cumsum([0, *rows], dtype=np.int64)
        self._groups: OrderedDict[int, list[bytes]] = OrderedDict()
        self._cached = 0

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        group = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._group(group)[place - int(self._starts[group])]

    def close(self) -> None:
        """Close the files; what was read stays readable."""
        while self._open:
            self._open.popitem()[1].close()

    def _file(self, number: int) -> Any:
        """An open file; few are open at a time, for a system allows a process only so many."""
        if number not in self._open:
            path = self._paths[number]
            file = _guarded(path, lambda: pq.ParquetFile(path))
            if file.schema_arrow.names != SCHEMA.names:
                raise FolderError(f"{path} is damaged: its columns are {file.schema_arrow.names}")
            self._open[number] = file
            while len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(number)
        return self._open[number]

    def _group_sizes(self, number: int) -> list[int]:
        file = self._file(number)
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]

    def _group(self, group: int) -> list[bytes]:
        if group in self._groups:
            self._groups.move_to_end(group)
            return self._groups[group]
        number, local = self._group_of[group]
        file = self._file(number)
        rows: list[bytes] = _guarded(
            self._paths[number], lambda: file.read_row_group(local).column("payload").to_pylist()
        )
        self._groups[group] = rows
        self._cached += sum(map(len, rows))
        while self._cached > CACHE_BYTES and len(self._groups) > 1:
            _, dropped = self._groups.popitem(last=False)
            self._cached -= sum(map(len, dropped))
        return rows


def _guarded(path: Path, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (OSError, pa.ArrowException) as error:
        raise FolderError(f"{path} is missing or damaged ({error}); prepare the corpus again") from error


class LazySequence(Sequence[T], Generic[T]):
    """A sequence whose elements are made when they are asked for."""

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._length = length
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._length))]
        return self._make(range(self._length)[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._make, range(self._length))


def stored_samples(
    store: Sequence[bytes], prompts: Sequence[str | None], payload_format: PayloadFormat[P], rows: Sequence[int]
) -> Sequence[Sample[P]]:
    """The samples in some rows of a store, decoded on access."""

    def make(index: int) -> Sample[P]:
        row = int(rows[index])
        return Sample(payload_format.from_bytes(store[row]), prompts[row])

    return LazySequence(len(rows), make)
