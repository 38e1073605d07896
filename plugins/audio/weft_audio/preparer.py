"""Stage 1 of audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from math import ceil, isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import weft
from weft_audio.cleaning import center, pad, resample, trim
from weft_audio.filters import Length, Silent
from weft_audio.learning import learn_codec, measure_codec
from weft_audio.loudness import with_loudness, with_peak
from weft_audio.near import ORIGINAL_RATE, AudioNearDuplicates
from weft_audio.network import CodecConfig
from weft_audio.options import LAYOUTS, AudioOptions, default_fixed_seconds, default_rate, default_seconds
from weft_audio.quality import Clipped, MostlySilent, Noisy
from weft_audio.reading import Cut, read_header, read_pieces
from weft_audio.spectrum import Spectrum
from weft_audio.speech import Speech, check_installed
from weft_audio.waveform import Waveform

if TYPE_CHECKING:
    from weft_audio.published import PublishedConfig

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
        """Rate and length of clips from the headers of the files.

        Raises:
            weft.OptionError: What an option needs is not installed.
        """
        if options.speech != "any":
            check_installed()
        rate, tokens = options.rate, float(options.tokens)
        if options.codec_folder is not None:
            published = _published(options)
            tokens = published.books * published.rate / published.step
            if rate not in (None, published.rate):
                raise weft.OptionError(
                    f"audio.rate = {rate} is not that of the model in {options.codec_folder}, which is "
                    f"{published.rate}; leave audio.rate out"
                )
            rate = published.rate
        headers = [header for header in map(read_header, items) if header is not None]
        transcripts = any(item.metadata.get(TRANSCRIPT) for item in items)
        seconds = options.seconds
        if seconds is None:
            seconds = default_seconds(tokens, transcripts, options.min_seconds)
            if options.fixed:
                lengths = [header.seconds for header in headers]
                seconds = default_fixed_seconds(lengths, seconds, options.min_seconds)
        rate = rate or default_rate([header.rate for header in headers])
        return replace(options, rate=rate, seconds=seconds)

    def read(self, item: weft.Item) -> Iterator[weft.Sample[Waveform] | weft.Unreadable]:
        """One sample an item, with its caption; several where it is cut.

        A transcript is the caption of a whole recording only: what is said in which of its pieces is not known.

        Raises:
            weft.UnreadableError: See :func:`weft_audio.reading.read_pieces`.
        """
        options = self.options
        pieces = read_pieces(item, self._longest, self._cut, options.channels, options.max_seconds)
        first_two = list(islice(pieces, 2))
        whole = len(first_two) < 2
        caption = item.caption((TRANSCRIPT, *DESCRIPTIONS) if whole else DESCRIPTIONS)
        for piece in chain(first_two, pieces):
            yield from (_as_sample(sound, caption, piece.channels) for sound in piece.sounds)

    def clean(self, sample: weft.Sample[Waveform]) -> weft.Sample[Waveform]:
        """Resampled, without a constant offset, within full scale and 16 bits; trimmed and brought to a level as the
        options say, and filled up where length is fixed."""
        options = self.options
        whole = center(resample(sample.payload, self._rate))
        sound = trim(whole, options.trim_level) if options.trim else whole
        figures = {"trimmed_seconds": whole.seconds - sound.seconds} if options.trim else {}
        if options.loudness is not None:
            sound, level = with_loudness(sound, options.loudness)
            figures |= {} if level is None else {"loudness_lufs": level}
        elif options.peak is not None:
            sound = with_peak(sound, options.peak)
        length = self._codec_config.clip_samples
        sound = (sound if length is None else pad(sound, length)).quantized()
        return weft.Sample(sound, sample.prompt, {**sample.figures, **figures})

    def filters(self) -> Sequence[weft.Filter[Waveform]]:
        """Length and silence; those for recordings from the web, and for speech, where they are asked for."""
        options = self.options
        web = (MostlySilent(options.max_silence), Noisy(options.min_snr)) if options.quality == "web" else ()
        return (
            Length(options.min_seconds, self._longest),
            *((Clipped(options.max_clipped),) if options.quality == "web" else ()),
            Silent(options.min_level),
            *web,
            *((Speech(options.speech == "only", options.min_speech),) if options.speech != "any" else ()),
        )

    def near(self) -> AudioNearDuplicates | None:
        return AudioNearDuplicates() if self.options.near == "on" else None

    def fit_codec(
        self, samples: Sequence[weft.Sample[Waveform]], held_out: Sequence[weft.Sample[Waveform]], fit: weft.Fit
    ) -> weft.FittedCodec[Waveform]:
        if self.options.codec_folder is not None:
            from weft_audio.published import PublishedCodec

            published = PublishedCodec.from_folder(Path(self.options.codec_folder), self.options.tokens)
            return weft.FittedCodec(published, measure_codec(published, held_out))
        codec = learn_codec(samples, self._codec_config, self.options.codec_steps, fit)
        return weft.FittedCodec(codec, measure_codec(codec, held_out))

    @property
    def _rate(self) -> int:
        assert self.options.rate is not None
        return self.options.rate

    @cached_property
    def _longest(self) -> float:
        """Seconds of the longest clip."""
        assert self.options.seconds is not None
        length = self._codec_config.clip_samples
        return self.options.seconds if length is None else length / self._rate

    @property
    def _cut(self) -> Cut:
        if self.options.longer == "reject":
            return "never"
        if self.options.longer == "quiet":
            return "quietly"
        # Equal parts would each be filled up with silence.
        return "fully" if self.options.fixed else "evenly"

    @cached_property
    def _codec_config(self) -> CodecConfig:
        stride, books = LAYOUTS[self.options.tokens]
        config = CodecConfig(self._rate, Spectrum.for_rate(self._rate).hop, stride, books)
        if not self.options.fixed:
            return config
        assert self.options.seconds is not None
        return replace(config, steps=ceil(self.options.seconds * self._rate / config.step - _ROUNDING))


def _published(options: AudioOptions) -> PublishedConfig:
    # Imported here since only few corpora have such a codec.
    from weft_audio.published import read_config

    return read_config(Path(options.codec_folder or ""), options.tokens)


def _as_sample(sound: Waveform, caption: str | None, channels: int) -> weft.Sample[Waveform] | weft.Unreadable:
    # Their energy is finite only if all are, and is found more quickly than by asking each.
    if not isfinite(sound.samples @ sound.samples) and not np.isfinite(sound.samples).all():
        wrong = len(sound.samples) - np.count_nonzero(np.isfinite(sound.samples))
        return weft.Unreadable(f"{wrong} of its {len(sound.samples)} samples are no numbers (infinite, or NaN)")
    figures = {ORIGINAL_RATE: float(sound.rate), "channels": float(channels), "seconds": sound.seconds}
    return weft.Sample(sound, caption, figures)
