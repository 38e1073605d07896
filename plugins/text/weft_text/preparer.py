"""Stage 1 of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar

import weft
from weft.codecs.bpe import ByteLevelBPE, default_vocab_size
from weft_text.boilerplate import SharedLines
from weft_text.cleaning import Cleaning
from weft_text.decoding import decode_text
from weft_text.dividing import divide_text
from weft_text.filters import Binary, Empty, Length
from weft_text.language import Language, language_codes
from weft_text.lines import read_lines
from weft_text.near import SimilarTexts
from weft_text.options import TextOptions
from weft_text.pages import main_text
from weft_text.portions import cut_lines
from weft_text.quality import web_filters
from weft_text.tables import read_csv, read_parquet

_MEASURED = 256
"""Held-out samples that are enough to say how far the codec compresses."""


class TextPreparer(weft.Preparer[str, TextOptions]):
    """Reads plain text, JSON lines, tables and web pages; white space inside is content, so verse and code survive."""

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        self._clean = Cleaning(repair=options.repair, masks=options.masks)

    @classmethod
    def resolve(cls, options: TextOptions, items: Sequence[weft.Item]) -> TextOptions:
        """Raises weft.OptionError for a language that is not known, before anything is read."""
        language_codes(options.languages)
        return options

    changes: ClassVar[Mapping[str, str]] = {
        "repaired_lines": "lines of which the encoding was repaired",
        "control_characters": "control characters taken out",
        "masked_emails": "e-mail addresses masked",
        "masked_phones": "phone numbers masked",
    }

    def read(self, item: weft.Item) -> Iterator[weft.Sample[str] | weft.Unreadable]:
        """One sample a file, or one a line of JSON lines, or one a row of a table.

        Raises:
            weft.UnreadableError: The file is not UTF-8, nor marked as UTF-16 or UTF-32; a table has no column of text;
                a page has no main text.
        """
        column = self.options.column
        match item.suffix:
            case ".jsonl":
                yield from read_lines(item, column)
            case ".csv" | ".tsv":
                yield from read_csv(item, column)
            case ".parquet":
                yield from read_parquet(item, column)
            case ".html" | ".htm":
                yield weft.Sample(main_text(item.read_bytes()))
            case _:
                yield weft.Sample(decode_text(item.read_bytes()))

    def portions(self, item: weft.Item) -> Sequence[weft.Item]:
        """JSON lines are cut into pieces of about 4 MB."""
        return cut_lines(item) if item.suffix == ".jsonl" else (item,)

    def clean(self, sample: weft.Sample[str]) -> weft.Sample[str]:
        """Unicode NFC, and line breaks as ``\\n``; repaired and masked as the options say."""
        payload, figures = self._clean(sample.payload)
        prompt = None if sample.prompt is None else self._clean(sample.prompt)[0]
        return weft.Sample(payload, prompt, {**sample.figures, **figures})

    def filters(self) -> Sequence[weft.Filter[str]]:
        options = self.options
        codes = language_codes(options.languages)
        return (
            Binary(),
            Empty(),
            Length(options.min_chars, options.max_chars),
            *([Language(codes, options.min_language)] if codes else []),
            *(web_filters(options) if options.quality == "web" else []),
        )

    def near(self) -> weft.NearDuplicates[str] | None:
        return SimilarTexts(self.options.near) if self.options.near else None

    def boilerplate(self) -> weft.Boilerplate[str] | None:
        return SharedLines(self.options.boilerplate) if self.options.takes_boilerplate else None

    def divide(self, payload: str, fraction: float) -> tuple[str, str] | None:
        return divide_text(payload, fraction)

    def fit_codec(
        self, samples: Sequence[weft.Sample[str]], held_out: Sequence[weft.Sample[str]], fit: weft.Fit
    ) -> weft.FittedCodec[str]:
        """Byte-level BPE of the texts and their prompts; merges are counted, so ``fit`` has no part in it."""
        size = self.options.vocab_size or default_vocab_size(sum(len(text.encode("utf-8")) for text in _texts(samples)))
        codec = ByteLevelBPE.fit(_texts(samples), size)
        return weft.FittedCodec(codec, _quality(codec, [sample.payload for sample in islice(held_out, _MEASURED)]))


def _texts(samples: Sequence[weft.Sample[str]]) -> Iterator[str]:
    for sample in samples:
        yield sample.payload
        if sample.prompt:
            yield sample.prompt


def _quality(codec: ByteLevelBPE, texts: Sequence[str]) -> dict[str, float]:
    """How many bytes a token stands for in text that the codec has not seen."""
    tokens = sum(map(len, codec.encode(texts)))
    return {"bytes_per_token": sum(len(text.encode("utf-8")) for text in texts) / tokens} if tokens else {}
