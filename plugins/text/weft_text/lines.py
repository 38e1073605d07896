"""JSON lines to samples: one object a line, with ``text``, or with ``prompt`` and ``response``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import weft
from weft_text.decoding import MARK_BYTES, encoding_of
from weft_text.portions import first_line_of
from weft_text.rows import AUTO, kind, sample_of, storable


def read_lines(item: weft.Item, column: str = AUTO) -> Iterator[weft.Sample[str] | weft.Unreadable]:
    """A sample for each line that is not blank; a line that gives none is reported with its number."""
    with item.open() as file:
        head = file.read(MARK_BYTES)
    with item.open() as file:
        # Bytes that are no UTF-8 come through as lone surrogates, so that they cost their own line and no other.
        lines = io.TextIOWrapper(file, encoding_of(head), errors="surrogateescape", newline="\n")
        for number, line in enumerate(lines, first_line_of(item)):
            if line.strip():
                yield _sample(line, number, column)


def _sample(line: str, number: int, column: str) -> weft.Sample[str] | weft.Unreadable:
    try:
        sample = _from_value(json.loads(line), column)
    except json.JSONDecodeError as error:
        return weft.Unreadable(f"line {number} is not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return weft.Unreadable(f"line {number} is nested too deeply")
    except ValueError as error:
        return weft.Unreadable(f"line {number} {error}")
    if not storable(sample):
        return weft.Unreadable(f"line {number} is not UTF-8, or has one half of a surrogate pair in it")
    return sample


def _from_value(value: Any, column: str) -> weft.Sample[str]:
    if not isinstance(value, dict):
        raise ValueError(f"is {kind(value)}, not an object with a field `text`, or `prompt` and `response`")
    return sample_of(value, column)
