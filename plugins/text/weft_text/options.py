"""Preparation options of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import weft


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What ``--set text.NAME=VALUE`` sets; the defaults keep a person's own texts as they are.

    Attributes:
        vocab_size: Ids of the byte-level BPE to aim at; learning stops earlier where no pair occurs twice. ``None``
            follows from the cleaned bytes of the training part, which are known only after reading: 512 at 1 MB.
        column: The field of JSON lines and column of tables that holds the text; ``auto`` takes ``text``, else
            ``content``, else ``prompt`` and ``response``.
        min_chars: Fewest characters of a sample, white space at its ends not counted.
        max_chars: Most characters of a sample; ``None`` sets no limit.
        repair: Undo mojibake, and leave out control characters.
        mask: Put ``<email>`` and ``<phone>`` in place of e-mail addresses and telephone numbers; ``None`` does where
            ``quality`` is ``web``.
        languages: ISO 639-1 codes with commas between.
        min_language: Smallest probability of all of ``languages`` together.
        near: Similarity from which on texts are near-duplicates: shingles of three words in common over those that one
            of them has; 0 turns it off.
        boilerplate: In how many samples a line has to be to be taken out of all of them; 0 turns it off, ``None`` is
            one in a thousand and at least 3 where ``quality`` is ``web``, else 0.
        quality: ``off`` rejects only what is unusable; ``web`` judges by the rules that Gopher, C4 and FineWeb
            published for web pages. All that follow are limits of these.
        min_words: Gopher.
        max_words: Gopher.
        min_word_length: Mean; Gopher.
        max_word_length: Mean; Gopher.
        max_symbols: Hash signs, or ellipses, for each word; Gopher.
        max_bullet_lines: Share of lines that begin with a bullet; Gopher.
        max_ellipsis_lines: Share of lines that end in an ellipsis; Gopher.
        min_letter_words: Share of words that have a letter; Gopher.
        min_stop_words: Different ones of eight common English words, in English texts; Gopher.
        max_repeated_lines: Share of lines, and of paragraphs, that come again; Gopher.
        max_repeated_chars: Share of the text in such lines, and paragraphs; Gopher.
        max_repetition: Factor of Gopher's limits for runs of 2 to 10 words (0.20, 0.18, 0.16 of the text for the
            commonest 2, 3 and 4 words; 0.15 to 0.10 for 5 to 10 words that come again).
        min_sentences: C4.
        min_ended_lines: Share of lines that end like a sentence; FineWeb.
        max_short_lines: Share of lines of less than 30 characters; FineWeb.
        max_line_breaks: Line breaks for each word; FineWeb.

    Raises:
        ValueError: ``max_chars`` is below ``min_chars``, or the like of words.
    """

    vocab_size: int | None = weft.option(
        None, "tokens in the vocabulary; auto grows with the amount of text", minimum=256, maximum=262_144
    )
    column: str = weft.option("auto", "column of the text; auto: text, else content, else prompt and response")
    min_chars: int = weft.option(1, "reject samples with fewer characters", minimum=1)
    max_chars: int | None = weft.option(None, "reject samples with more characters; auto sets no limit", minimum=1)
    repair: bool = weft.option(True, "undo mojibake, leave out control characters")
    mask: bool | None = weft.option(None, "mask e-mail addresses and phone numbers; auto: with quality = web")
    languages: str = weft.option("any", "keep these languages alone, as ISO 639-1 codes: en,nl")
    min_language: float = weft.option(
        0.01, "reject texts that are less likely to be in one of the languages", minimum=0, maximum=1
    )
    near: float = weft.option(
        0.5,
        "reject texts that have this share of their shingles in common with a longer one; 0: off",
        minimum=0,
        maximum=1,
    )
    boilerplate: int | None = weft.option(
        None, "take out lines that so many samples share; auto: 1 in 1000 with quality = web; 0: off", minimum=0
    )
    quality: Literal["off", "web"] = weft.option(
        "off", "rules for web pages (Gopher, C4, FineWeb), with the limits below", choices=("off", "web")
    )
    min_words: int = weft.option(50, "web: fewest words", minimum=0)
    max_words: int = weft.option(100_000, "web: most words", minimum=1)
    min_word_length: float = weft.option(3.0, "web: shortest mean length of a word", minimum=0)
    max_word_length: float = weft.option(10.0, "web: longest mean length of a word", minimum=0)
    max_symbols: float = weft.option(0.1, "web: most hash signs, or ellipses, for each word", minimum=0)
    max_bullet_lines: float = weft.option(0.9, "web: largest share of lines with a bullet", minimum=0, maximum=1)
    max_ellipsis_lines: float = weft.option(0.3, "web: largest share of lines cut by an ellipsis", minimum=0, maximum=1)
    min_letter_words: float = weft.option(0.8, "web: smallest share of words with a letter", minimum=0, maximum=1)
    min_stop_words: int = weft.option(2, "web: fewest of 8 common words in English texts", minimum=0, maximum=8)
    max_repeated_lines: float = weft.option(
        0.3, "web: largest share of lines, or paragraphs, that come again", minimum=0, maximum=1
    )
    max_repeated_chars: float = weft.option(0.2, "web: largest share of the text in such lines", minimum=0, maximum=1)
    max_repetition: float = weft.option(1.0, "web: factor of Gopher's limits for repeated runs of words", minimum=0)
    min_sentences: int = weft.option(3, "web: fewest sentences", minimum=0)
    min_ended_lines: float = weft.option(
        0.12, "web: smallest share of lines that end like a sentence", minimum=0, maximum=1
    )
    max_short_lines: float = weft.option(0.67, "web: largest share of lines under 30 characters", minimum=0, maximum=1)
    max_line_breaks: float = weft.option(0.3, "web: most line breaks for each word", minimum=0)

    def __post_init__(self) -> None:
        for low, high in (
            ("min_chars", "max_chars"),
            ("min_words", "max_words"),
            ("min_word_length", "max_word_length"),
        ):
            least, most = getattr(self, low), getattr(self, high)
            if most is not None and most < least:
                raise ValueError(f"text.{high} ({most}) is below text.{low} ({least})")

    @property
    def masks(self) -> bool:
        """Whether addresses and numbers are masked, all options considered."""
        return self.quality == "web" if self.mask is None else self.mask

    @property
    def takes_boilerplate(self) -> bool:
        """Whether shared lines are taken out, all options considered."""
        return self.quality == "web" if self.boilerplate is None else self.boilerplate > 0
