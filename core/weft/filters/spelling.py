"""How a listed word may be spelled: folded to plain letters, in the plural, and disguised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
MARKS = f"\u0300-\u036f{_INVISIBLE}"
"""Accents that follow their letter and signs that are not seen, as they stand in a class of a regular expression."""

_MARKS = re.compile(f"[{MARKS}]+")
_LOOKALIKES = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5"}
_LONGEST_RUN = 6


def fold(text: str) -> str:
    """Lower case, compatibility forms as plain ones, without accents and invisible characters."""
    if not text.isascii():
        text = text.replace("\u2019", "'")
        # Most text is in this form but for its quotation marks, and to ask is much faster than to do it.
        if not unicodedata.is_normalized("NFKD", text) or any(sign in text for sign in _INVISIBLE):
            text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return text.lower()


def spellings(word: str) -> Iterator[str]:
    """The word and its plural, plain and disguised.

    Args:
        word: Folded, without spaces.
    """
    plurals = ("es", "ez") if word.endswith(("s", "x", "z", "ch", "sh")) else ("s", "z")
    for form in (word, *(word + ending for ending in plurals)):
        yield form
        yield from _masked(form)
        yield from _swapped(form)
        yield from _stretched(form)


def _masked(word: str) -> Iterator[str]:
    """``f*ck``, ``f**k``: a star for a vowel, or for all between the first and the last letter."""
    if len(word) < 4:
        return
    for index in range(1, len(word) - 1):
        if word[index] in "aeiou":
            yield f"{word[:index]}*{word[index + 1 :]}"
    yield word[0] + "*" * (len(word) - 2) + word[-1]


def _swapped(word: str) -> Iterator[str]:
    """``sh1t``, ``a$$``: signs that look like a letter, for one of it and for each."""
    for letter, signs in _LOOKALIKES.items():
        for sign in signs:
            # Short words in digits are numbers of things: the A55 is a road.
            if letter not in word or (sign.isdigit() and len(word) < 4):
                continue
            yield word.replace(letter, sign, 1)
            yield word.replace(letter, sign)


def _stretched(word: str) -> Iterator[str]:
    """``fuuuck``: one letter three times or more; twice would make other words."""
    for index, letter in enumerate(word):
        for times in range(3, _LONGEST_RUN + 1):
            yield word[:index] + letter * times + word[index + 1 :]
