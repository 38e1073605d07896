"""The quality and repetition rules of Rae et al., "Scaling language models: methods, analysis & insights from training
Gopher" (2021), section A.1.1."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import weft
from weft_text.language import probabilities
from weft_text.options import TextOptions
from weft_text.quality.counting import lines_of, most_common, repeated, share, words_of
from weft_text.quality.limits import Limit, LimitFilter

SOURCE = "Gopher (Rae et al., 2021)"
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})

_BULLETS = ("•", "‣", "▪", "●", "-", "*", "–", "·")
_PARAGRAPH = re.compile(r"\n\s*\n")
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_AGAIN = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
_SURE = 0.5
"""A text is taken for English from this probability on."""


class Words(LimitFilter):
    """How many words there are, and how long they are."""

    name = "words"
    source = SOURCE

    def __init__(self, options: TextOptions) -> None:
        self.limits = (
            Limit("words", "few-words", "words", "min_words", least=options.min_words),
            Limit("words", "many-words", "words", "max_words", most=options.max_words),
            Limit("word_length", "short-words", "mean length of a word", "min_word_length", options.min_word_length),
            Limit(
                "word_length", "long-words", "mean length of a word", "max_word_length", most=options.max_word_length
            ),
        )

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        words = words_of(sample.payload)
        if not words:
            return {}
        return {"words": len(words), "word_length": sum(map(len, words)) / len(words)}

    def excerpt(self, text: str, limit: Limit) -> str:
        return max(words_of(text), key=len) if limit.code == "long-words" else ""


class Symbols(LimitFilter):
    """Hash signs and ellipses among the words, bullets and ellipses at the ends of lines, words without a letter."""

    name = "symbols"
    source = SOURCE

    def __init__(self, options: TextOptions) -> None:
        self.limits = (
            Limit("hashes", "symbols", "hash signs for each word", "max_symbols", most=options.max_symbols),
            Limit("ellipses", "symbols", "ellipses for each word", "max_symbols", most=options.max_symbols),
            Limit("bullet_lines", "bullets", "share of lines with a bullet", "max_bullet_lines",
                  most=options.max_bullet_lines),
            Limit("ellipsis_lines", "cut-lines", "share of lines that end in an ellipsis", "max_ellipsis_lines",
                  most=options.max_ellipsis_lines),
            Limit("letter_words", "few-letters", "share of words with a letter", "min_letter_words",
                  options.min_letter_words),
        )  # fmt: skip

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        text = sample.payload
        words, lines = words_of(text), lines_of(text)
        figures = {
            "bullet_lines": share(sum(line.startswith(_BULLETS) for line in lines), len(lines)),
            "ellipsis_lines": share(sum(line.endswith(("...", "…")) for line in lines), len(lines)),
        }
        if words:
            figures["hashes"] = text.count("#") / len(words)
            figures["ellipses"] = (text.count("...") + text.count("…")) / len(words)
            figures["letter_words"] = sum(any(map(str.isalpha, word)) for word in words) / len(words)
        return figures

    def excerpt(self, text: str, limit: Limit) -> str:
        ends = {"bullet_lines": _BULLETS, "ellipsis_lines": ("...", "…")}.get(limit.figure)
        if ends is None:
            return ""
        return next((line for line in lines_of(text) if line.startswith(ends) or line.endswith(ends)), "")


class StopWords(LimitFilter):
    """How many of eight common English words there are; of texts in other languages nothing is asked."""

    name = "stop-words"
    source = SOURCE

    def __init__(self, options: TextOptions) -> None:
        what = f"different words of {', '.join(sorted(STOP_WORDS))}"
        self.limits = (Limit("stop_words", "stop-words", what, "min_stop_words", options.min_stop_words),)

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        if probabilities(sample.payload).get("en", 0.0) < _SURE:
            return {}
        return {"stop_words": len(STOP_WORDS.intersection(word.lower() for word in words_of(sample.payload)))}


class Repetition(LimitFilter):
    """Lines and paragraphs that come again, and the share of the text that repeated runs of words make up.

    The paper has a limit for each length of a run; ``text.max_repetition`` multiplies them all.
    """

    name = "repetition"
    source = SOURCE

    def __init__(self, options: TextOptions) -> None:
        of_lines, of_chars, factor = options.max_repeated_lines, options.max_repeated_chars, options.max_repetition
        self.limits = (
            *(
                Limit(f"repeated_{kind}", "repetition", f"share of {kind} that come again", "max_repeated_lines",
                      most=of_lines)
                for kind in ("lines", "paragraphs")
            ),
            *(
                Limit(f"repeated_{kind}_chars", "repetition", f"share of the text in {kind} that come again",
                      "max_repeated_chars", most=of_chars)
                for kind in ("lines", "paragraphs")
            ),
            *(
                Limit(f"top_{size}_words", "repetition", f"share of the text that its commonest {size} words make up",
                      f"max_repetition x {limit}", most=limit * factor)
                for size, limit in _TOP.items()
            ),
            *(
                Limit(f"repeated_{size}_words", "repetition", f"share of the text in {size} words that come again",
                      f"max_repetition x {limit}", most=limit * factor)
                for size, limit in _AGAIN.items()
            ),
        )  # fmt: skip

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        text = sample.payload
        paragraphs = [part for part in map(str.strip, _PARAGRAPH.split(text)) if part]
        words = words_of(text)
        chars = sum(map(len, words))
        return {
            **_again(lines_of(text), "lines", len(text)),
            **_again(paragraphs, "paragraphs", len(text)),
            **{f"top_{size}_words": _top_share(words, size, chars) for size in _TOP},
            **{f"repeated_{size}_words": _repeated_share(words, size, chars) for size in _AGAIN},
        }

    def excerpt(self, text: str, limit: Limit) -> str:
        if limit.figure.startswith("repeated_lines"):
            return most_common(lines_of(text))[0]
        size = next((size for size in (*_TOP, *_AGAIN) if f"_{size}_" in limit.figure), None)
        return most_common(_runs(words_of(text), size))[0] if size else ""


def _again(parts: Sequence[str], kind: str, chars: int) -> Mapping[str, float]:
    again = repeated(parts)
    return {
        f"repeated_{kind}": share(len(again), len(parts)),
        f"repeated_{kind}_chars": share(sum(len(str(part)) for part in again), chars),
    }


def _runs(words: Sequence[str], size: int) -> list[str]:
    return [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]


def _top_share(words: Sequence[str], size: int, chars: int) -> float:
    run, count = most_common(_runs(words, size))
    return share(count * (len(run) - size + 1), chars)


def _repeated_share(words: Sequence[str], size: int, chars: int) -> float:
    """Letters in runs that were there before, no letter counted twice."""
    seen: set[str] = set()
    counted = place = 0
    runs = _runs(words, size)
    while place < len(runs):
        if runs[place] in seen:
            counted += len(runs[place]) - size + 1
            place += size
        else:
            seen.add(runs[place])
            place += 1
    return share(counted, chars)
