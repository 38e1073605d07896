"""Tables of Arrow, which Hugging Face ``datasets`` keeps its data in: rows with media, and rows with text."""

from __future__ import annotations

import functools
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from weft.preparation.sources.cells import TableView, media_columns, row_entries
from weft.preparation.sources.entries import Entry, part_stamp
from weft.preparation.sources.rows import class_names, holds_bytes

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]


ROWS_OF_TEXT = 1000
"""Rows that are one item where they hold text: few enough to be read at once, many enough to be worth it."""


@dataclass(frozen=True)
class ArrowFiles(TableView):
    """The Arrow files of a saved data set, one after the other, mapped into memory.

    Attributes:
        files: Their paths, in order.
        features: What ``dataset_info.json`` says of the columns, as JSON.
    """

    files: tuple[str, ...]
    features: str

    def schema(self) -> pa.Schema:
        return _mapped(self.files, os.getpid()).schema

    def rows(self) -> int:
        count: int = _mapped(self.files, os.getpid()).num_rows
        return count

    def read(self, start: int, count: int, columns: Sequence[str]) -> pa.Table:
        return _mapped(self.files, os.getpid()).select(list(columns)).slice(start, count)

    def labels(self) -> Mapping[str, Sequence[str]]:
        return class_names(json.loads(self.features))


@dataclass(frozen=True, eq=False)
class HuggingFaceView(TableView):
    """A ``datasets.Dataset`` in memory."""

    dataset: Any

    def schema(self) -> pa.Schema:
        schema: pa.Schema = self.dataset.features.arrow_schema
        return schema

    def rows(self) -> int:
        return len(self.dataset)

    def read(self, start: int, count: int, columns: Sequence[str]) -> pa.Table:
        table: pa.Table = self.dataset.with_format("arrow")[start : start + count]
        return table.select(list(columns))

    def labels(self) -> Mapping[str, Sequence[str]]:
        return class_names(self.dataset.features.to_dict())

    def outside_files(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class TextRows:
    """Opens some rows of a table as lines of JSON, which is what a text modality reads of data sets."""

    view: TableView
    start: int
    count: int

    def __call__(self) -> BinaryIO:
        return io.BytesIO(b"".join(self._lines()))

    def _lines(self) -> Iterator[bytes]:
        labels = self.view.labels()
        table = self.view.read(self.start, self.count, _text_columns(self.view))
        for row in table.to_pylist():
            for name, names in labels.items():
                number = row.get(name)
                if isinstance(number, int):
                    row[name] = names[number] if 0 <= number < len(names) else None
            yield json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass") + b"\n"


def table_entries(view: TableView, folder: str, source: str, stamp: str = "") -> list[Entry]:
    """An entry for each picture and recording in a table; where there are none, for each thousand rows of text.

    Args:
        view: The table.
        folder: Where its entries lie: empty, or ending in ``/``.
        source: What the user named.
        stamp: Of the table; empty where it has none.
    """
    media = media_columns(view)
    if media:
        return row_entries(view, media, folder, source, stamp)
    entries = []
    for start in range(0, view.rows(), ROWS_OF_TEXT):
        rows = TextRows(view, start, min(ROWS_OF_TEXT, view.rows() - start))
        with rows() as file:
            size = len(file.read())
        name = f"{folder}rows-{start:09d}.jsonl"
        entries.append(Entry(name, rows, size, source, folder.rstrip("/"), stamp=part_stamp(stamp, start)))
    return entries


def _text_columns(view: TableView) -> list[str]:
    return [field.name for field in view.schema() if not holds_bytes(field.type)]


# A map belongs to one process, as a file does.
@functools.lru_cache(maxsize=8)
def _mapped(files: tuple[str, ...], process: int) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([pa.ipc.open_stream(pa.memory_map(path)).read_all() for path in files])
