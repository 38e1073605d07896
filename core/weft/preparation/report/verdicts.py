"""The table of verdicts, read a few columns at a time: it has a row for each of a million samples, and pages are short.

Everything here reads whole columns with Arrow, and turns no more rows into Python objects than a page shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError
from weft.storage.tables import VERDICTS

_REPEATED = ("verdict", "stage", "reason", "split", "source", "license")
"""Columns with few different values, kept as indices into them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that have the same values in some columns.

    Attributes:
        values: Those values, in the order in which they were asked for.
        count: How many rows.
    """

    values: tuple[Any, ...]
    count: int


class Verdicts:
    """Verdicts of one corpus.

    Args:
        path: Of ``verdicts.parquet``.

    Raises:
        FolderError: Here or later, where the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _file(self) -> Any:
        try:
            return pq.ParquetFile(self._path, read_dictionary=list(_REPEATED))
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Some columns, some thousand rows at a time; those that an older version did not write are empty."""
        there = [name for name in columns if name in self._file.schema_arrow.names]
        try:
            for batch in self._file.iter_batches(columns=there, batch_size=1 << 15):
                yield self._completed(pa.Table.from_batches([batch]), columns)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error

    def columns(self, names: Sequence[str], where: str = "") -> Any:
        """Some columns as a whole; with ``where``, of the rows alone in which that column has a value."""
        tables = [batch.filter(pc.is_valid(batch.column(where))) if where else batch for batch in self.batches(names)]
        return pa.concat_tables(tables).unify_dictionaries() if tables else VERDICTS.empty_table().select(names)

    @cached_property
    def _short(self) -> Any:
        """The columns that are counted by."""
        table = self.columns(["sample", *_REPEATED])
        is_item = pc.is_null(table.column("sample"))
        return table.drop_columns(["sample"]).append_column("is_item", is_item)

    def groups(self, *names: str) -> list[Group]:
        """How many rows there are of each combination of values, the most frequent first.

        Args:
            names: Of columns with few different values, and ``is_item``.
        """
        counted = self._short.select(list(names)).group_by(list(names)).aggregate([([], "count_all")])
        columns = [_plain(counted.column(name)).to_pylist() for name in (*names, "count_all")]
        groups = [Group(tuple(row[:-1]), row[-1]) for row in zip(*columns, strict=True)]
        return sorted(groups, key=lambda group: (-group.count, *map(str, group.values)))

    def first_rejected(self, reason: str, is_item: bool, most: int) -> list[int]:
        """Numbers of the first rows that were rejected for a reason."""
        table = self._short
        same = pc.and_(pc.equal(_plain(table.column("reason")), reason), pc.equal(table.column("is_item"), is_item))
        wanted = pc.and_(same, pc.equal(_plain(table.column("verdict")), "rejected"))
        return [int(row) for row in pc.indices_nonzero(wanted)[:most].to_pylist()]

    def rows(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Some rows as a whole, by number, in that order."""
        wanted = sorted(set(numbers))
        found: dict[int, dict[str, Any]] = {}
        start = 0
        for batch in self.batches(VERDICTS.names) if wanted else ():
            here = [number for number in wanted if start <= number < start + batch.num_rows]
            taken = batch.take([number - start for number in here]) if here else None
            found.update(zip(here, taken.to_pylist() if taken is not None else (), strict=True))
            start += batch.num_rows
        return [plain_row(found[number]) for number in numbers]

    def of_item(self, name: str) -> list[dict[str, Any]]:
        """The rows of an item, its own before those of its samples."""
        rows: list[dict[str, Any]] = []
        for batch in self.batches(VERDICTS.names):
            rows += batch.filter(pc.equal(batch.column("item"), name)).to_pylist()
        return [plain_row(row) for row in rows]

    def item_names(self) -> Any:
        """Names of all items, an Arrow array in the order of the table."""
        names = [
            batch.column("item").filter(pc.is_null(batch.column("sample"))).combine_chunks()
            for batch in self.batches(["item", "sample"])
        ]
        return pa.concat_arrays(names) if names else pa.array([], pa.string())

    def figures(self) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """What was measured of samples, by name: of those that are kept, and of those that are rejected.

        Single precision is enough to draw them by, and halves the memory.
        """
        pieces: dict[str, tuple[list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]] = {}
        for batch in self.batches(["verdict", "figures"]):
            for name, kept, rejected in _figures_of(batch):
                into = pieces.setdefault(name, ([], []))
                into[0].append(kept)
                into[1].append(rejected)
        return {name: (np.concatenate(kept), np.concatenate(rejected)) for name, (kept, rejected) in pieces.items()}

    def _completed(self, table: Any, columns: Sequence[str]) -> Any:
        for name in columns:
            if name not in table.schema.names:
                if not VERDICTS.field(name).nullable:
                    raise FolderError(f"{self._path} is damaged: it has no column {name}; prepare the corpus again")
                table = table.append_column(VERDICTS.field(name), pa.nulls(table.num_rows, VERDICTS.field(name).type))
        return table.select(columns)

    def _damaged(self, error: Exception) -> FolderError:
        return FolderError(f"{self._path} is missing or damaged ({error}); prepare the corpus again")


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its map as a mapping and its lists as lists, whether they are filled in or not."""
    return {**row, "figures": dict(row["figures"] or ()), "changes": list(row["changes"] or ())}


def _plain(column: Any) -> Any:
    """A column without its dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _figures_of(table: Any) -> Iterator[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    maps = table.column("figures").combine_chunks()
    if isinstance(maps, pa.ChunkedArray):
        maps = maps.chunk(0) if maps.num_chunks else pa.array([], VERDICTS.field("figures").type)
    kept_rows = np.asarray(pc.equal(_plain(table.column("verdict")), "kept"), dtype=np.bool_)
    offsets = np.asarray(maps.offsets, dtype=np.int64)
    kept = np.repeat(kept_rows, np.diff(offsets))
    first, last = int(offsets[0]), int(offsets[-1])
    names = maps.keys.slice(first, last - first).dictionary_encode()
    values = np.asarray(maps.items.slice(first, last - first), dtype=np.float32)
    finite = np.isfinite(values)
    indices = np.asarray(names.indices)
    for number, name in enumerate(names.dictionary.to_pylist()):
        own = (indices == number) & finite
        yield name, values[own & kept], values[own & ~kept]
