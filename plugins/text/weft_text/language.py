"""Which language a text is in, by py3langid (Lui and Baldwin, ACL 2012, and Barbaresi's models of it)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import weft

ANY = frozenset({"", "any", "auto", "none"})
_EXCERPT = 80

_PIECE = 500
"""Characters at the beginning, in the middle and at the end, which tell the language of a longer text."""


def language_codes(setting: str) -> tuple[str, ...]:
    """ISO 639-1 codes of an option's value (``en,nl``); none where any language is welcome.

    Raises:
        weft.OptionError: A code that the model does not know.
    """
    if setting.strip().lower() in ANY:
        return ()
    codes = tuple(dict.fromkeys(code.strip().lower() for code in setting.split(",") if code.strip()))
    known = _identifier().labels
    for code in codes:
        if code not in known:
            close = difflib.get_close_matches(code, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise weft.OptionError(
                f"text.languages has {code!r}, which is no code of a known language{hint} "
                f"(give ISO 639-1 codes with commas between, such as en,nl; {len(known)} languages are known)"
            )
    return codes


_FEWEST_BYTES = 20
"""Of letters in UTF-8; less, a word or two, is of no language for certain."""


@lru_cache(maxsize=4)
def probabilities(text: str) -> Mapping[str, float]:
    """Of each language by its code, the likeliest first; they are tempered by the length of the text, so that a few
    words are never quite certain. Empty for a text of too few letters to tell."""
    pieces = _pieces(text)
    letters = "".join(filter(str.isalpha, pieces))
    return dict(_identifier().rank(pieces)) if len(letters.encode("utf-8")) >= _FEWEST_BYTES else {}


def _pieces(text: str) -> str:
    if len(text) <= 3 * _PIECE:
        return text
    middle = (len(text) - _PIECE) // 2
    return " ".join((text[:_PIECE], text[middle : middle + _PIECE], text[-_PIECE:]))


class Language(weft.Filter[str]):
    """Rejects what is hardly in one of the wanted languages.

    Args:
        codes: ISO 639-1 codes.
        least: Smallest probability of all of them together.
    """

    name = "language"
    source = "py3langid"

    def __init__(self, codes: Sequence[str], least: float) -> None:
        self._codes = codes
        self._least = least

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        found = probabilities(sample.payload)
        return {"language": sum(found.get(code, 0.0) for code in self._codes)} if found else {}

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        if sample.figures.get("language", 1.0) >= self._least:
            return None
        likeliest = next(iter(probabilities(sample.payload)))
        detail = (
            f"the text seems to be in {likeliest!r}; that it is in {' or '.join(self._codes)} has a probability of "
            f"{sample.figures['language']:.2g}, less than text.min_language = {self._least:g}"
        )
        return weft.Reason("language", detail, sample.payload.strip()[:_EXCERPT])


@cache
def _identifier() -> Any:
    from py3langid import langid  # type: ignore[import-untyped]

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
