"""What cleaning changes, what it leaves, and what it counts."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft_text.cleaning import Cleaning
from weft_text.masking import mask
from weft_text.options import TextOptions
from weft_text.preparer import TextPreparer

REPAIR = Cleaning(repair=True, masks=False)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("The CafÃ© is openâ€”come in.", "The Café is open—come in."),
        ("good line: naïve, “curly” ﬁne\nbad line: naÃ¯ve", "good line: naïve, “curly” ﬁne\nbad line: naïve"),
    ],
    ids=["one line", "line by line"],
)
def test_mojibake_is_undone_and_nothing_else(broken: str, mended: str) -> None:
    text, figures = REPAIR(broken)
    assert text == mended
    assert figures == {"repaired_lines": 1}


def test_control_characters_go_and_white_space_stays() -> None:
    text, figures = REPAIR("a\x08b\x1b[0m\tc\x0c\x0bd\x7f\ufeffe\n")
    assert text == "ab[0m\tc\x0c\x0bde\n"
    assert figures == {"control_characters": 4}


def test_repair_can_be_turned_off() -> None:
    preparer = TextPreparer(TextOptions(repair=False))
    sample = weft.Sample("CafÃ©\x08 e\u0301\r\n")
    assert preparer.clean(sample) == weft.Sample("CafÃ©\x08 é\n")


PIECES = st.sampled_from(
    ["Ã", "©", "Â", "\x80", "\x9d", "â€", "\u0301", "e", " ", "\n", "\x01", "ï»¿", "a@b.example ", "+49 30 901820 "]
)


@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_a_clean_text_does_not_change_again(text: str) -> None:
    clean = Cleaning(repair=True, masks=True)
    once, _ = clean(text)
    assert clean(once) == (once, {})


EMAILS = ("john.doe@example.com", "a_b+c@mail.example.co.uk", "O'Brien@example.org", "ü.ö@exämple.de")
PHONES = (
    *("+1 415-555-0132", "(415) 555-0132", "415-555-0132", "415.555.0132", "1-800-555-0199", "+44 20 7946 0958"),
    *("020 7946 0958", "07700 900123", "+49 30 901820", "030/901820-12", "+33 1 42 68 53 00", "01 42 68 53 00"),
    *("+31 6 12345678", "06-12345678", "+91 98765 43210", "09061209465", "(0171) 123456"),
)
NEITHER = (
    *("@user", "a@b", "matrix@vector", "name@localhost", "x = a @ b.T", "@property"),
    *("2012-10-15", "15.10.2012", "01-02-2012 10:32", "10/15/2012 10:32", "978-0-306-40615-7", "ISBN 0306406152"),
    *("192.168.100.200", "1,234,567.89", "3.14159265358979", "0.123456789012", "1999-2004", "12:30-14:30", "$1,200.50"),
    *("0x7fff5fbff8c0", "1234567890123456", "20 000 000", "1605 1606 1607", "52.370216, 4.895168", "1914-1918 1939"),
)


@pytest.mark.parametrize("text", EMAILS)
def test_addresses_are_masked(text: str) -> None:
    assert mask(f"Write to {text}, please. Thanks") == ("Write to <email>, please. Thanks", 1, 0)


@pytest.mark.parametrize("text", PHONES)
def test_telephone_numbers_are_masked(text: str) -> None:
    assert mask(f"Call {text}, please. Or ({text})") == ("Call <phone>, please. Or (<phone>)", 0, 2)


@pytest.mark.parametrize("text", NEITHER)
def test_other_numbers_and_signs_are_not(text: str) -> None:
    assert mask(f"It is {text}, as said.") == (f"It is {text}, as said.", 0, 0)


def test_masking_is_for_the_web_or_where_asked() -> None:
    sample = weft.Sample("Write to me@example.com or me@example.org", "And +49 30 901820?")
    masked = weft.Sample("Write to <email> or <email>", "And <phone>?", {"masked_emails": 2})
    for options in (TextOptions(mask=True), TextOptions(quality="web")):
        assert TextPreparer(options).clean(sample) == masked
    for options in (TextOptions(), TextOptions(quality="web", mask=False)):
        assert TextPreparer(options).clean(sample) == sample


def test_source_code_comes_through_byte_for_byte() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    preparer = TextPreparer(TextOptions())
    names = [path for path in sorted(folder.glob("*.py")) if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in names]
    assert sum(not text.isascii() for text in texts) > 3
    for text in texts:
        assert preparer.clean(weft.Sample(text)).payload == text
