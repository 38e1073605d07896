"""Rows of tables of every format, with each value as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from weft.preparation.sources.entries import Opener

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Row = Mapping[str, str]
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLE_SUFFIXES = frozenset({*_DELIMITERS, ".jsonl", ".parquet"})


def is_table_candidate(name: str) -> bool:
    """Whether a file may be a table, by its name alone."""
    return PurePosixPath(name).suffix.lower() in TABLE_SUFFIXES


def read_rows(opener: Opener, name: str) -> Iterator[Row | None]:
    """Rows of a table; ``None`` for each that cannot be read. Columns of bytes are left out.

    Args:
        opener: Opens the file.
        name: Its name, for the extension.
    """
    suffix = PurePosixPath(name).suffix.lower()
    try:
        with opener() as file:
            if suffix == ".parquet":
                yield from _parquet_rows(file)
                return
            text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
            lines: Iterator[str] = (line.replace("\0", "") for line in text)
            if suffix in _DELIMITERS:
                yield from _csv_rows(lines, _DELIMITERS[suffix])
            else:
                yield from map(_json_row, filter(str.strip, lines))
    except OSError:
        yield None


def strings(row: Mapping[Any, Any]) -> dict[str, str]:
    """A row with every value as text; what is not filled in, or stands under no column, is left out."""
    return {
        str(column).strip(): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for column, value in row.items()
        if column is not None and value is not None
    }


def label_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """Names of the classes whose numbers a column holds, from what Hugging Face ``datasets`` writes into a schema."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return class_names(features)


def class_names(features: Any) -> dict[str, Sequence[str]]:
    """As :func:`label_names`, from the features themselves."""
    if not isinstance(features, Mapping):
        return {}
    return {
        name: [str(each) for each in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, Mapping)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
    }


def batch_rows(batch: pa.RecordBatch, labels: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Rows of a batch without its columns of bytes, numbers of classes replaced by their names."""
    columns = [place for place, field in enumerate(batch.schema) if not holds_bytes(field.type)]
    for row in batch.select(columns).to_pylist():
        for name, names in labels.items():
            number = row.get(name)
            if isinstance(number, int):
                row[name] = names[number] if 0 <= number < len(names) else None
        yield strings(row)


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are bytes, alone or as the struct of bytes and path of Hugging Face."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and holds_bytes(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _parquet_rows(file: Any) -> Iterator[Row | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        labels = label_names(schema.metadata)
        columns = [field.name for field in schema if not holds_bytes(field.type)]
        for batch in table.iter_batches(batch_size=1024, columns=columns):
            yield from batch_rows(batch, labels)
    except (pa.ArrowException, OSError):
        yield None


def _csv_rows(lines: Iterator[str], delimiter: str) -> Iterator[Row | None]:
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
        else:
            yield strings(row)


def _json_row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return strings(row) if isinstance(row, dict) else None
