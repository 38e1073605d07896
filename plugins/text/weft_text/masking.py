"""E-mail addresses and telephone numbers out of texts."""

from __future__ import annotations

import re

EMAIL, PHONE = "<email>", "<phone>"

_EMAIL = re.compile(r"(?<![\w.+-])[^\W_][\w.+'-]*@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])")

_PHONE = re.compile(
    r"""(?<![\w.,/+$€£#-])(?:
        (?:\+|00(?!0))\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,5}     # +49 30 901820
      | (?:1[ .-])?(?:\(\d{3}\)[ ]?|\d{3}[.-])\d{3}[ .-]\d{4}                               # (415) 555-0132
      | (?:\(0\d{1,4}\)[ ]?|0(?!00)\d{1,4}[ ./-])\d{2,8}(?:[ .-]\d{2,5}){0,4}                 # 030/901820-12
      | 0(?!00)\d{9,10}                                                                     # 09061209465
    )(?![\w]|[.,:]\d)""",
    re.VERBOSE,
)
_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2,4}\b")
_FRACTION = re.compile(r"\+?\d{1,3}\.\d+")
_BOOK = re.compile(r"(?i)ISBN[\d:() -]*$")
_DIGITS = re.compile(r"\d")
_FEWEST_DIGITS, _MOST_DIGITS = 9, 15
"""ITU-T E.164 allows 15."""


def mask(text: str) -> tuple[str, int, int]:
    """The text with ``<email>`` and ``<phone>`` in place of addresses and numbers, and how many there were of each.

    A number counts as one of a telephone if it has a country's code, the dashes or brackets of an American one, or
    begins with the zero of many other countries; what is written like a date, a price, a fraction or a book's number
    does not.
    """
    emails = phones = 0
    if "@" in text:
        text, emails = _EMAIL.subn(EMAIL, text)

    def masked(match: re.Match[str]) -> str:
        nonlocal phones
        if not _is_phone(match):
            return match.group()
        phones += 1
        return PHONE

    return _PHONE.sub(masked, text), emails, phones


def _is_phone(match: re.Match[str]) -> bool:
    found = match.group()
    if not _FEWEST_DIGITS <= len(_DIGITS.findall(found)) <= _MOST_DIGITS:
        return False
    if _DATE.match(found) or _FRACTION.fullmatch(found):
        return False
    return not _BOOK.search(match.string, max(0, match.start() - 20), match.start())
