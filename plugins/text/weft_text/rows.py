"""Rows of JSON lines and tables to samples: a text, or a prompt with its response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import weft

AUTO = "auto"
TEXT_COLUMNS = ("text", "content")
PROMPT, RESPONSE = "prompt", "response"

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
_SHOWN = 8
"""Names of columns in a message."""


def sample_of(row: Mapping[str, Any], column: str, what: str = "field") -> weft.Sample[str]:
    """The sample that a row holds; its other columns are ignored.

    Args:
        row: Values by name.
        column: That of the text; ``auto`` takes ``text``, else ``content``, else ``prompt`` and ``response``.
        what: A column is called so in messages.

    Raises:
        ValueError: There is no text; the message is the second half of a sentence about the row.
    """
    names = text_columns(row, column, what)
    texts = [_text(row, name, what) for name in names]
    return weft.Sample(texts[0]) if len(texts) == 1 else weft.Sample(texts[1], texts[0])


def text_columns(names: Collection[str], column: str, what: str) -> tuple[str, ...]:
    """The column of the text, or those of prompt and response.

    Raises:
        ValueError: There is none, as of :func:`sample_of`.
    """
    if column != AUTO:
        if column in names:
            return (column,)
        raise ValueError(f"has no {what} `{column}`, which text.column names ({_shown(names, what)})")
    for name in TEXT_COLUMNS:
        if name in names:
            return (name,)
    if PROMPT in names and RESPONSE in names:
        return (PROMPT, RESPONSE)
    raise ValueError(
        f"has neither a {what} `{TEXT_COLUMNS[0]}` nor `{PROMPT}` and `{RESPONSE}` ({_shown(names, what)})"
    )


def storable(sample: weft.Sample[str]) -> bool:
    """Whether UTF-8 can hold it; lone surrogates, which stand for bytes that are no UTF-8, it cannot."""
    try:
        (sample.payload + (sample.prompt or "")).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "null")


def _text(row: Mapping[str, Any], name: str, what: str) -> str:
    text = row[name]
    if not isinstance(text, str):
        raise ValueError(f"has {kind(text)} in the {what} `{name}`, where text is needed")
    return text


def _shown(names: Collection[str], what: str) -> str:
    shown = ", ".join(f"`{name}`" for name in sorted(names)[:_SHOWN]) or "none"
    return f"its {what}s: {shown}"
