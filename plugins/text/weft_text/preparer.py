"""Stage 1 of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import weft
from weft.codecs.bpe import ByteLevelBPE, default_vocab_size
from weft.codecs.prompts import normalize_text
from weft_text.decoding import decode_text
from weft_text.dividing import divide_text
from weft_text.filters import Binary, Empty, Length
from weft_text.lines import read_lines
from weft_text.options import TextOptions

_MEASURED = 256
"""Held-out samples that are enough to say how far the codec compresses."""


class TextPreparer(weft.Preparer[str, TextOptions]):
    """Reads ``.txt``, ``.md`` and ``.jsonl``; white space inside is content, so verse and code survive."""

    def read(self, item: weft.Item) -> Iterator[weft.Sample[str] | weft.Unreadable]:
        """One sample a file, or one a line of JSON lines.

        Raises:
            weft.UnreadableError: The file is not UTF-8, nor marked as UTF-16 or UTF-32.
        """
        if item.suffix == ".jsonl":
            yield from read_lines(item)
        else:
            yield weft.Sample(decode_text(item.read_bytes()))

    def clean(self, sample: weft.Sample[str]) -> weft.Sample[str]:
        """Unicode NFC, and line breaks as ``\\n``."""
        prompt = None if sample.prompt is None else normalize_text(sample.prompt)
        return weft.Sample(normalize_text(sample.payload), prompt)

    def filters(self) -> Sequence[weft.Filter[str]]:
        return (Binary(), Empty(), Length(self.options.min_chars, self.options.max_chars))

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
