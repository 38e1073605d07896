"""Stage 1 of audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from math import ceil

import numpy as np

import weft
from weft_audio.cleaning import center, pad, resample
from weft_audio.filters import Length, Silent
from weft_audio.learning import learn_codec, measure_codec
from weft_audio.near import AudioNearDuplicates
from weft_audio.network import CodecConfig
from weft_audio.options import LAYOUTS, AudioOptions, default_fixed_seconds, default_rate, default_seconds
from weft_audio.reading import Cut, read_header, read_pieces
from weft_audio.spectrum import Spectrum
from weft_audio.waveform import Waveform

_ROUNDING = 1e-6

TRANSCRIPT = "transcript"
DESCRIPTIONS = ("text", "caption", "label")
"""Columns of a table that tell what a sound is, in the order in which they are looked at."""


class AudioPreparer(weft.Preparer[Waveform, AudioOptions]):
    """Reads whatever libsndfile decodes; every clip becomes one channel of one rate.

    Its options are resolved: ``rate`` and ``seconds`` are set.
    """

    @classmethod
    def resolve(cls, options: AudioOptions, items: Sequence[weft.Item]) -> AudioOptions:
        """Rate and length of clips from the headers of the files."""
        headers = [header for header in map(read_header, items) if header is not None]
        transcripts = any(item.metadata.get(TRANSCRIPT) for item in items)
        seconds = options.seconds
        if seconds is None:
            seconds = default_seconds(options.tokens, transcripts, options.min_seconds)
            if options.fixed:
                lengths = [header.seconds for header in headers]
                seconds = default_fixed_seconds(lengths, seconds, options.min_seconds)
        rate = options.rate or default_rate([header.rate for header in headers])
        return replace(options, rate=rate, seconds=seconds)

    def read(self, item: weft.Item) -> Iterator[weft.Sample[Waveform] | weft.Unreadable]:
        """One sample an item, with its caption; several where it is cut.

        A transcript is the caption of a whole recording only: what is said in which of its pieces is not known.

        Raises:
            weft.UnreadableError: See :func:`weft_audio.reading.read_pieces`.
        """
        pieces = read_pieces(item, self._longest, self._cut)
        first_two = list(islice(pieces, 2))
        whole = len(first_two) < 2
        caption = item.caption((TRANSCRIPT, *DESCRIPTIONS) if whole else DESCRIPTIONS)
        for piece in chain(first_two, pieces):
            wrong = len(piece.samples) - np.count_nonzero(np.isfinite(piece.samples))
            if wrong:
                yield weft.Unreadable(f"{wrong} of its {len(piece.samples)} samples are no numbers (infinite, or NaN)")
            else:
                yield weft.Sample(piece, caption)

    def clean(self, sample: weft.Sample[Waveform]) -> weft.Sample[Waveform]:
        """Resampled, without a constant offset, within full scale and 16 bits; filled up where length is fixed."""
        sound = center(resample(sample.payload, self._rate))
        length = self._codec_config().clip_samples
        return weft.Sample((sound if length is None else pad(sound, length)).quantized(), sample.prompt)

    def filters(self) -> Sequence[weft.Filter[Waveform]]:
        return (Length(self.options.min_seconds, self._longest), Silent(self.options.min_level))

    def near(self) -> AudioNearDuplicates | None:
        return AudioNearDuplicates() if self.options.near == "on" else None

    def fit_codec(
        self, samples: Sequence[weft.Sample[Waveform]], held_out: Sequence[weft.Sample[Waveform]], fit: weft.Fit
    ) -> weft.FittedCodec[Waveform]:
        codec = learn_codec(samples, self._codec_config(), self.options.codec_steps, fit)
        return weft.FittedCodec(codec, measure_codec(codec, held_out))

    @property
    def _rate(self) -> int:
        assert self.options.rate is not None
        return self.options.rate

    @property
    def _longest(self) -> float:
        """Seconds of the longest clip."""
        assert self.options.seconds is not None
        length = self._codec_config().clip_samples
        return self.options.seconds if length is None else length / self._rate

    @property
    def _cut(self) -> Cut:
        if self.options.longer == "reject":
            return "never"
        # Equal parts would each be filled up with silence.
        return "fully" if self.options.fixed else "evenly"

    def _codec_config(self) -> CodecConfig:
        stride, books = LAYOUTS[self.options.tokens]
        config = CodecConfig(self._rate, Spectrum.for_rate(self._rate).hop, stride, books)
        if not self.options.fixed:
            return config
        assert self.options.seconds is not None
        return replace(config, steps=ceil(self.options.seconds * self._rate / config.step - _ROUNDING))
