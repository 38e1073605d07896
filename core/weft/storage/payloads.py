"""The payloads of a corpus in one Parquet file, written as they come and read by index.

One row a part: ``payload`` (binary), the bytes of the modality's :class:`weft.PayloadFormat`. Row groups are small, so
that reading one payload reads little else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.samples import P, Sample

GROUP_ROWS = 64
GROUP_BYTES = 4 << 20
CACHE_BYTES = 256 << 20

SCHEMA = pa.schema([pa.field("payload", pa.binary(), nullable=False)])

T = TypeVar("T")


class PayloadWriter:
    """Appends payloads to a new file; holds one row group in memory. A context manager."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=False, write_statistics=False)
        self._group: list[bytes] = []
        self._bytes = 0

    def append(self, payload: bytes) -> None:
        """Add one payload."""
        self._group.append(payload)
        self._bytes += len(payload)
        if len(self._group) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._group:
            self._writer.write_table(pa.table([pa.array(self._group, pa.binary())], schema=SCHEMA))
        self._group, self._bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()


class PayloadStore(Sequence[bytes]):
    """Reads payloads by index; row groups read last are kept in memory, up to :data:`CACHE_BYTES`.

    Raises:
        FolderError: On opening or reading, if the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._guarded(lambda: pq.ParquetFile(path))
        if self._file.schema_arrow.names != SCHEMA.names:
            raise FolderError(f"{path} is damaged: its columns are {self._file.schema_arrow.names}")
        self._place = [
            (group, row)
            for group in range(self._file.num_row_groups)
            for row in range(self._file.metadata.row_group(group).num_rows)
        ]
        self._groups: OrderedDict[int, list[bytes]] = OrderedDict()
        self._cached = 0

    def __len__(self) -> int:
        return len(self._place)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        group, row = self._place[index]
        return self._group(group)[row]

    def close(self) -> None:
        """Close the file; what was read stays readable."""
        self._file.close()

    def _group(self, group: int) -> list[bytes]:
        if group in self._groups:
            self._groups.move_to_end(group)
            return self._groups[group]
        rows: list[bytes] = self._guarded(lambda: self._file.read_row_group(group).column("payload").to_pylist())
        self._groups[group] = rows
        self._cached += sum(map(len, rows))
        while self._cached > CACHE_BYTES and len(self._groups) > 1:
            _, dropped = self._groups.popitem(last=False)
            self._cached -= sum(map(len, dropped))
        return rows

    def _guarded(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (OSError, pa.ArrowException) as error:
            raise FolderError(f"{self._path} is missing or damaged ({error}); prepare the corpus again") from error


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
