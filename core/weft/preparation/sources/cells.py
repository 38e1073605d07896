"""Tables that hold pictures or recordings themselves, in a column of bytes: an item for each row."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from weft.preparation.sources.entries import Entry, part_stamp, safe_name, unique
from weft.preparation.sources.rows import batch_rows, holds_bytes

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

ROWS_AT_ONCE = 1000

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
    (b"\xff\xf3", ".mp3"),
)
_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav"}


class TableView(ABC):
    """A table that can be read from any row. Picklable and hashable; what it opens it opens in each process."""

    @abstractmethod
    def schema(self) -> pa.Schema:
        """Columns and their types."""

    @abstractmethod
    def rows(self) -> int:
        """How many there are."""

    @abstractmethod
    def read(self, start: int, count: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows."""

    def paths(self, start: int, count: int, column: str) -> Sequence[str | None]:
        """What the struct of a column says of its path, for some rows."""
        values = self.read(start, count, [column]).column(0).combine_chunks()
        found: list[str | None] = values.field("path").to_pylist()
        return found

    def labels(self) -> Mapping[str, Sequence[str]]:
        """Names of classes, by column."""
        return {}

    def bytes_per_row(self, column: str) -> int:
        """About how many, where that is known without reading."""
        return 0

    def outside_files(self) -> bool:
        """Whether a path without bytes may be opened, because the user has made the table in this process."""
        return False


@dataclass(frozen=True, slots=True)
class Cell:
    """Opens the bytes of one column of one row."""

    view: TableView
    row: int
    column: str

    def __call__(self) -> BinaryIO:
        value = self.view.read(self.row, 1, [self.column]).column(0)[0].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if data is None and isinstance(value, dict) and value.get("path") and self.view.outside_files():
            return Path(value["path"]).open("rb")
        if data is None:
            raise OSError(f"row {self.row} has nothing in the column {self.column}")
        return io.BytesIO(data)


def media_columns(view: TableView) -> dict[str, str]:
    """Columns of bytes that hold pictures or recordings, to the extension of those that have no path with one."""
    found: dict[str, str] = {}
    for field in view.schema():
        if holds_bytes(field.type) and (extension := _extension(view, field)):
            found[field.name] = extension
    return found


def row_entries(view: TableView, media: Mapping[str, str], folder: str, source: str, stamp: str = "") -> list[Entry]:
    """An entry for each row and column of bytes.

    Args:
        view: The table.
        media: As :func:`media_columns` gives them.
        folder: Name of the table as a folder, ending in ``/``; empty where it is all of the source.
        source: What the user named.
        stamp: Of the table; empty where it has none.
    """
    return list(unique(list(_row_entries(view, media, folder, source, stamp))))


def _row_entries(view: TableView, media: Mapping[str, str], folder: str, source: str, stamp: str) -> Iterator[Entry]:
    described = [field.name for field in view.schema() if not holds_bytes(field.type)]
    sizes = {column: view.bytes_per_row(column) for column in media}
    with_paths = {column for column in media if _has_path(view.schema().field(column))}
    for start in range(0, view.rows(), ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, view.rows() - start)
        rows: list[dict[str, str]] = [{} for _ in range(count)]
        if described:
            batches = view.read(start, count, described).to_batches()
            rows = [row for batch in batches for row in batch_rows(batch, view.labels())]
        paths = {
            column: view.paths(start, count, column) if column in with_paths else [None] * count for column in media
        }
        for place, row in enumerate(rows):
            for column, extension in media.items():
                name = _name(start + place, column if len(media) > 1 else "", paths[column][place], extension)
                opener = Cell(view, start + place, column)
                row_stamp = part_stamp(stamp, start + place)
                yield Entry(folder + name, opener, sizes[column], source, folder.rstrip("/"), row, row_stamp)


def _name(row: int, column: str, path: str | None, extension: str) -> str:
    base = PurePosixPath(safe_name(path or "")).name
    if base and not column:
        return base if PurePosixPath(base).suffix else base + extension
    return f"{row:06d}{f'.{column}' if column else ''}{PurePosixPath(base).suffix or extension}"


def _has_path(field: pa.Field) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(field.type) and field.type.get_field_index("path") >= 0)


def _extension(view: TableView, field: pa.Field) -> str:
    """The extension of what a column holds, by the first bytes or the path of its first row that has any."""
    for start in range(0, min(view.rows(), ROWS_AT_ONCE)):
        value = view.read(start, 1, [field.name]).column(0)[0].as_py()
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if data or path:
            return sniff(data or b"") or PurePosixPath(path or "").suffix.lower()
    return ""


def sniff(data: bytes) -> str:
    """The extension of a picture or a recording by its first bytes; empty for anything else."""
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], "")
    return next((extension for magic, extension in _MAGIC if data.startswith(magic)), "")
