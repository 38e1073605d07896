"""Parquet files as tables that can be read from any row."""

from __future__ import annotations

import bisect
import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.preparation.sources.cells import TableView
from weft.preparation.sources.entries import Opener
from weft.preparation.sources.rows import label_names

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]


@dataclass(frozen=True)
class ParquetView(TableView):
    """A Parquet file; the row groups that were read last stay in memory, one for each selection of columns."""

    open: Opener

    def schema(self) -> pa.Schema:
        return _opened(self.open, os.getpid()).schema_arrow

    def rows(self) -> int:
        count: int = _opened(self.open, os.getpid()).metadata.num_rows
        return count

    def read(self, start: int, count: int, columns: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        starts = _group_starts(self.open, os.getpid())
        pieces = []
        row = start
        while row < start + count:
            group = bisect.bisect_right(starts, row) - 1
            length = min(start + count, starts[group + 1]) - row
            pieces.append(_group(self.open, group, tuple(columns), os.getpid()).slice(row - starts[group], length))
            row += length
        return pa.concat_tables(pieces)

    def paths(self, start: int, count: int, column: str) -> Sequence[str | None]:
        # A leaf of a struct is read without its neighbor, the bytes.
        table = self.read(start, count, [f"{column}.path"])
        return [None if value is None else value["path"] for value in table.column(0).to_pylist()]

    def labels(self) -> Mapping[str, Sequence[str]]:
        return label_names(self.schema().metadata)

    def bytes_per_row(self, column: str) -> int:
        facts = _opened(self.open, os.getpid()).metadata
        if not facts.num_rows:
            return 0
        group = facts.row_group(0)
        leaves = [group.column(place) for place in range(group.num_columns)]
        total = sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] == column)
        return int(total // max(1, group.num_rows))


# What is open belongs to one process: a child of fork would move the place where its parent reads.
@functools.lru_cache(maxsize=8)
def _opened(opener: Opener, process: int) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(opener())


@functools.lru_cache(maxsize=8)
def _group_starts(opener: Opener, process: int) -> list[int]:
    """First row of each row group, and last how many rows there are."""
    facts = _opened(opener, process).metadata
    return [0, *itertools.accumulate(facts.row_group(group).num_rows for group in range(facts.num_row_groups))]


@functools.lru_cache(maxsize=3)
def _group(opener: Opener, group: int, columns: tuple[str, ...], process: int) -> pa.Table:
    return _opened(opener, process).read_row_group(group, columns=list(columns), use_threads=False)
