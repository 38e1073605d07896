"""CSV, TSV and Parquet tables to samples, one a row, a few rows in memory at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import weft
from weft_text.decoding import MARK_BYTES, encoding_of
from weft_text.rows import sample_of, storable, text_columns

_DELIMITERS = {".csv": ",", ".tsv": "\t"}

_LONGEST_FIELD = 1 << 26
"""Characters of one field. Python's own limit of 131,072 is too few for a book; none at all would let a quotation mark
that is never closed take the rest of a large file into memory."""

_ROWS = 256
"""Rows of a Parquet table that are decoded at once."""


def read_csv(item: weft.Item, column: str) -> Iterator[weft.Sample[str] | weft.Unreadable]:
    """A sample for each row below the header.

    Raises:
        weft.UnreadableError: No column has text.
    """
    with item.open() as file:
        head = file.read(MARK_BYTES)
    with item.open() as file:
        text = io.TextIOWrapper(file, encoding_of(head), errors="surrogateescape", newline="")
        csv.field_size_limit(_LONGEST_FIELD)
        rows = csv.reader(text, delimiter=_DELIMITERS[item.suffix])
        names = [name.strip() for name in next(rows, [])]
        _check_columns(names, column)
        yield from _csv_samples(rows, names, column)


def _csv_samples(rows: Any, names: list[str], column: str) -> Iterator[weft.Sample[str] | weft.Unreadable]:
    while True:
        where = f"the row at line {rows.line_num + 1}"
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield weft.Unreadable(f"{where} is not CSV: {error}")
            continue
        if not fields:
            continue
        if len(fields) != len(names):
            yield weft.Unreadable(f"{where} has {_fields(len(fields))}, where the header names {len(names)}")
        else:
            yield _sample(dict(zip(names, fields, strict=True)), column, where)


def read_parquet(item: weft.Item, column: str) -> Iterator[weft.Sample[str] | weft.Unreadable]:
    """A sample for each row; only the columns of the text are read.

    Raises:
        weft.UnreadableError: No column has text.
        pyarrow.ArrowException: It is not a Parquet file.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with item.open() as file, pq.ParquetFile(file) as table:
        columns = _check_columns(table.schema_arrow.names, column)
        number = 0
        for batch in table.iter_batches(_ROWS, columns=list(columns)):
            for row in batch.to_pylist():
                number += 1
                yield _sample(row, column, f"row {number}")


def _check_columns(names: list[str], column: str) -> tuple[str, ...]:
    try:
        return text_columns(names, column, "column")
    except ValueError as error:
        raise weft.UnreadableError(f"the table {error}; name the one of the text with text.column") from error


def _sample(row: Mapping[str, Any], column: str, where: str) -> weft.Sample[str] | weft.Unreadable:
    try:
        sample = sample_of(row, column, "column")
    except ValueError as error:
        return weft.Unreadable(f"{where} {error}")
    return sample if storable(sample) else weft.Unreadable(f"{where} is not UTF-8")


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"
