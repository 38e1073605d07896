"""Files to samples: encodings, JSON lines, and what is kept of white space."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft_text.decoding import decode_text
from weft_text.options import TextOptions
from weft_text.payload import TextFormat
from weft_text.preparer import TextPreparer

VERSE = "Tyger Tyger, burning bright,\n   In the forests of the night;\n\n\tWhat immortal hand or eye,  \n"
CODE = "def f(x):\n    if x:\n\t\treturn {\n            'a': 1}\n\n\n    return None\n"


@pytest.mark.parametrize("text", [VERSE, CODE], ids=["verse", "code"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=ascii)
def test_line_breaks_and_indentation_survive(read: Any, text: str, ending: str) -> None:
    data = text.replace("\n", ending).encode()
    assert [sample.payload for sample in read(data, "a.md")] == [text]


def test_unicode_is_composed(read: Any) -> None:
    assert read("cafe\u0301".encode())[0].payload == "café"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_byte_order_marks_tell_the_encoding(read: Any, encoding: str) -> None:
    text = "Ça va, 東京 👩‍🚀?\n"
    marked = text if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") else "\ufeff" + text
    assert read(marked.encode(encoding))[0].payload == text
    line = json.dumps({"text": text}, ensure_ascii=False)
    marked = line if not marked.startswith("\ufeff") else "\ufeff" + line
    assert read(f"{marked}\n".encode(encoding), "a.jsonl")[0].payload == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("déjà".encode("latin-1"), r"not UTF-8 \(byte 0xE9 at offset 1\)"),
        (b"\0\x01\xff\xfe", "binary, not text"),
        ("abc".encode("utf-16")[:-1], "mark of UTF-16 but is not"),
        (b"\xff\xfe\0\xd8a\0", "mark of UTF-16 but is not"),
    ],
    ids=["latin-1", "binary", "cut UTF-16", "broken UTF-16"],
)
def test_other_bytes_are_refused_with_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(weft.UnreadableError, match=message):
        decode_text(data)


def test_json_lines(read: Any) -> None:
    lines = [
        b'{"text": "one\\n  two", "id": 7}\r',
        b"",
        b'{"prompt": "What is it?", "response": "A test."}',
        b'{"text": "cut o',
        b'{"title": "x", "body": "y"}',
        b'["text"]',
        b'{"text": 5}',
        b'{"prompt": "p", "response": null}',
        b'{"prompt": "alone"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xe9"}',
        b"[" * 100_000,
        b'{"text": "last, with \xe2\x80\xa8 inside"}',
    ]
    found = read(b"\n".join(lines), "a.jsonl")
    samples = [each for each in found if isinstance(each, weft.Sample)]
    assert [(sample.payload, sample.prompt) for sample in samples] == [
        ("one\n  two", None),
        ("A test.", "What is it?"),
        ("last, with \u2028 inside", None),
    ]
    details = [each.detail for each in found if isinstance(each, weft.Unreadable)]
    expected = [
        "line 4 is not JSON: ",
        "line 5 has neither a field `text` nor `prompt` and `response` (its fields: `body`, `title`)",
        "line 6 is a list, not an object",
        "line 7 has a number in the field `text`",
        "line 8 has null in the field `response`",
        "line 9 has neither",
        "line 10 is not UTF-8, or has one half of a surrogate pair",
        "line 11 is not UTF-8, or has one half of a surrogate pair",
        "line 12 ",
    ]
    assert len(details) == len(expected)
    for detail, beginning in zip(details, expected, strict=True):
        assert detail.startswith(beginning), detail


@given(text=st.text())
def test_what_is_cleaned_is_stored_without_loss(text: str) -> None:
    preparer = TextPreparer(TextOptions())
    cleaned = preparer.clean(weft.Sample(text, text))
    form = TextFormat()
    assert form.from_bytes(form.to_bytes(cleaned.payload)) == cleaned.payload
    assert preparer.clean(cleaned) == cleaned
    assert cleaned.payload == cleaned.prompt
    assert unicodedata.is_normalized("NFC", cleaned.payload)
    assert "\r" not in cleaned.payload
