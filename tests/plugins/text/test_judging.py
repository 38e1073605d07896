"""Filters, options, cutting, showing: the small parts of the text plugin."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.errors import OptionError
from weft.generation.request import settle
from weft.plugins.options import build_options
from weft.plugins.registry import Registry
from weft_text.dividing import divide_text
from weft_text.filters import Binary, Empty, Length
from weft_text.generator import TextGenerator
from weft_text.options import TextOptions
from weft_text.payload import TextFormat


def test_nul_characters_are_binary() -> None:
    assert Binary().check(weft.Sample("plain")) is None
    for sample in (weft.Sample("a\0b and more"), weft.Sample("answer", "quest\0ion")):
        reason = Binary().check(sample)
        assert reason is not None
        assert reason.code == "binary"
        assert "UTF-16" not in reason.detail
    reason = Binary().check(weft.Sample("a\0b\0c\0"))
    assert reason is not None
    assert "UTF-16 without its byte-order mark" in reason.detail


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000\u2028"], ids=ascii)
def test_blank_is_empty(text: str) -> None:
    reason = Empty().check(weft.Sample(text))
    assert reason is not None
    assert reason.code == "empty"


def test_length_is_counted_without_the_white_space_at_the_ends() -> None:
    judge = Length(3, 5)
    codes = [judge.check(weft.Sample(text)) for text in ("  ab  ", " abc ", "a   c", " abcdef")]
    assert [reason and reason.code for reason in codes] == ["too-short", None, None, "too-long"]
    assert Length(1, None).check(weft.Sample("x" * 10_000)) is None


@given(text=st.text(alphabet="ab é\n\u0301東👩", max_size=300), fraction=st.floats(0.01, 0.9))
def test_parts_put_together_are_the_text(text: str, fraction: float) -> None:
    parts = divide_text(text, fraction)
    if parts is not None:
        assert parts[0] + parts[1] == text
        assert parts[0].strip()
        assert parts[1].strip()
        assert not unicodedata.combining(parts[1][0]) or parts[0][-1].isspace()


def test_the_end_begins_with_a_line() -> None:
    text = "".join(f"line {number} of the poem\n" for number in range(100))
    parts = divide_text(text, 0.1)
    assert parts is not None
    assert parts[1].startswith("line 90 ")
    assert parts[0].endswith("\n")


def test_without_line_breaks_the_end_begins_with_a_word() -> None:
    text = "word " * 200
    parts = divide_text("first line\n" + text, 0.1)
    assert parts is not None
    assert parts[1] == "word " * (len(parts[1]) // 5)
    assert 0.05 * len(text) < len(parts[1]) < 0.15 * len(text)


def test_without_words_it_begins_anywhere_but_within_a_character() -> None:
    parts = divide_text("東" * 100, 0.1)
    assert parts == ("東" * 90, "東" * 10)
    parts = divide_text("x\u0331" * 100, 0.1)
    assert parts is not None
    assert parts[1].startswith("x")


@pytest.mark.parametrize("text", ["", " ", "a", "ab"], ids=ascii)
def test_too_little_is_not_cut(text: str) -> None:
    assert divide_text(text, 0.1) is None


def test_options_are_checked(text_registry: Registry) -> None:
    assert build_options("text", TextOptions, {"text.vocab_size": "300"}) == TextOptions(vocab_size=300)
    for name, value in (("vocab_size", "255"), ("min_chars", "0"), ("max_chars", "x")):
        with pytest.raises(OptionError, match=f"text.{name}"):
            build_options("text", TextOptions, {f"text.{name}": value})
    with pytest.raises(OptionError, match="is below"):
        build_options("text", TextOptions, {"text.min_chars": "9", "text.max_chars": "8"})


@given(text=st.text(alphabet="<>&\"' \n\rab\u2028"))
def test_a_page_shows_the_text_and_nothing_of_it_acts(text: str) -> None:
    fragment = TextFormat().html(text, Path("unused"), title='<"title">')
    found = re.fullmatch(r"<pre [^<>]*>\n(.*)</pre>", fragment, re.DOTALL)
    assert found is not None
    assert "<" not in found[1]
    assert html.unescape(found[1]) == text


def test_creativity_is_the_temperature_of_the_issue() -> None:
    generator = TextGenerator()
    temperatures = [
        settle(generator, weft.SamplingOptions(seed=0), creativity).temperature
        for creativity in (None, "precise", "balanced", "creative")
    ]
    assert temperatures == [0.6, 0.2, 0.6, 1.0]
    settled = settle(generator, weft.SamplingOptions(seed=0), None)
    assert all(getattr(settled, name) is not None for name in ("top_k", "top_p", "min_p", "guidance", "max_tokens"))


def test_the_entry_module_is_light() -> None:
    script = "import sys, weft_text; print(sorted({'torch', 'numpy', 'PIL', 'tokenizers'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == "[]\n"


def test_everything_that_is_registered_can_be_used(text_registry: Registry) -> None:
    checks = text_registry.check()
    assert [(check.status, check.problems) for check in checks] == [("ok", ())]
