"""JSON lines to samples: one object a line, with ``text``, or with ``prompt`` and ``response``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import weft
from weft_text.decoding import MARK_BYTES, encoding_of

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


def read_lines(item: weft.Item) -> Iterator[weft.Sample[str] | weft.Unreadable]:
    """A sample for each line that is not blank; a line that gives none is reported with its number."""
    with item.open() as file:
        head = file.read(MARK_BYTES)
    with item.open() as file:
        # Bytes that are no UTF-8 come through as lone surrogates, so that they cost their own line and no other.
        lines = io.TextIOWrapper(file, encoding_of(head), errors="surrogateescape", newline="\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _sample(line, number)


def _sample(line: str, number: int) -> weft.Sample[str] | weft.Unreadable:
    try:
        sample = _from_object(json.loads(line))
    except json.JSONDecodeError as error:
        return weft.Unreadable(f"line {number} is not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return weft.Unreadable(f"line {number} is nested too deeply")
    except ValueError as error:
        return weft.Unreadable(f"line {number} {error}")
    for text in (sample.payload, sample.prompt or ""):
        if not _is_storable(text):
            return weft.Unreadable(f"line {number} is not UTF-8, or has one half of a surrogate pair in it")
    return sample


def _from_object(value: Any) -> weft.Sample[str]:
    """Raises ValueError with the second half of a sentence about the line."""
    if not isinstance(value, dict):
        raise ValueError(f"is {_kind(value)}, not an object with a field `text`, or `prompt` and `response`")
    if "text" in value:
        return weft.Sample(_text(value, "text"))
    if "prompt" in value and "response" in value:
        return weft.Sample(_text(value, "response"), _text(value, "prompt"))
    fields = ", ".join(f"`{name}`" for name in sorted(value)[:8]) or "none"
    raise ValueError(f"has neither a field `text` nor `prompt` and `response` (its fields: {fields})")


def _text(value: dict[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise ValueError(f"has {_kind(text)} in the field `{name}`, where text is needed")
    return text


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "null")


def _is_storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
