"""Bytes of a text file to text: UTF-8, or UTF-16 and UTF-32 where a byte-order mark says so."""

from __future__ import annotations

import codecs

import weft

# UTF-32 comes first: in little-endian order its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

MARK_BYTES = 4
"""So many bytes tell the encoding."""


def encoding_of(head: bytes) -> str:
    """Python's name of the encoding of a file that begins with these bytes; it takes the mark off when decoding."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")


def decode_text(data: bytes) -> str:
    """The text of a file, line breaks as they are.

    Raises:
        weft.UnreadableError: The bytes are not in the encoding that they ought to be in.
    """
    encoding = encoding_of(data[:MARK_BYTES])
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding not in ("utf-8", "utf-8-sig"):
            name = encoding.upper()
            raise weft.UnreadableError(f"it begins with the mark of {name} but is not {name} throughout") from error
        raise weft.UnreadableError(_explain(data, error.start)) from error


def _explain(data: bytes, place: int) -> str:
    found = f"byte 0x{data[place]:02X} at offset {place}"
    if b"\0" in data:
        return f"it is binary, not text: it has NUL bytes, and {found} is no UTF-8"
    return f"it is not UTF-8 ({found}), but in an older encoding, Windows-1252 or Big5 say; save it as UTF-8"
