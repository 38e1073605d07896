"""How the audio codec is learned, and how well it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

import weft
from weft.codecs.reconstruction import ReconstructionTrainer
from weft_audio.codec import AudioFSQ
from weft_audio.network import Autoencoder, CodecConfig, in_bands
from weft_audio.waveform import Waveform

if TYPE_CHECKING:
    from weft_audio.published import PublishedCodec

_SMALLEST_BATCH, _LARGEST_BATCH = 8, 32
_LEARNING_RATE = 0.015
_CROP_STEPS = 32
_FEWEST_STEPS, _MOST_STEPS = 300, 700
_MEMORY = 256 * 2**20
"""Bytes of spectra that are held while learning; of more sounds evenly spaced ones are taken."""
_PROBES = 64
"""Sounds that tell how long the others are."""
_MEASURED = 256
"""Held-out sounds that are enough to say how well the codec does."""


class Crops(weft.Dataset[Tensor]):
    """Crops of one long spectrum, in which sounds follow one another; their places are other ones every epoch.

    Args:
        spectra: Log-magnitudes of each sound, ``(T, F)``.
        frames: Of a crop.
    """

    def __init__(self, spectra: Sequence[Tensor], frames: int) -> None:
        self._tape = torch.cat(list(spectra))
        if len(self._tape) < frames:
            self._tape = self._tape.repeat(-(-frames // len(self._tape)), 1)
        self._frames = frames

    def __len__(self) -> int:
        return max(1, len(self._tape) // self._frames)

    def draw(self, index: int, epoch: int) -> Tensor:
        """``(frames, F)``."""
        room = len(self._tape) - self._frames + 1
        shift = int(np.random.default_rng([epoch]).integers(room))
        start = (index * self._frames + shift) % room
        return self._tape[start : start + self._frames]

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        return float(self._tape.mean()), float(self._tape.std())


def learn_codec(
    samples: Sequence[weft.Sample[Waveform]], config: CodecConfig, steps: int | None, fit: weft.Fit
) -> AudioFSQ:
    """Fit a codec to cleaned sounds through core's loop.

    Args:
        samples: For training.
        config: Of the network.
        steps: ``None`` follows from how much sound there is.
        fit: The loop.
    """
    crops = Crops(_spectra(samples, config), _CROP_STEPS * config.stride)
    center, spread = crops.statistics()
    # Rounded, so that they do not depend on the order in which a machine adds up.
    config = replace(config, center=round(center, 3), spread=round(max(spread, 0.1), 3))
    model = fit(
        ReconstructionTrainer(lambda: Autoencoder(config), Difference(config)),
        crops,
        steps=steps or default_steps(len(crops)),
        batch_size=max(_SMALLEST_BATCH, min(_LARGEST_BATCH, len(crops) // 4)),
        learning_rate=_LEARNING_RATE,
        description="audio codec",
    )
    return AudioFSQ(config, model)


class Difference:
    """How far spectra are from those that they should be, for each clip: mean absolute difference of log-magnitudes,
    of all frequencies as the mel bands weigh them, and of the bands themselves.

    Args:
        config: Of the codec.
    """

    def __init__(self, config: CodecConfig) -> None:
        self._filters = config.spectrum.mel_filters(config.bands)

    def __call__(self, spectra: Tensor, wanted: Tensor) -> Tensor:
        """``(B, T, F)`` twice to ``(B,)``."""
        filters = self._filters.to(spectra.device)
        weights = filters.mean(1)
        fine = ((spectra - wanted).abs() @ weights).mean(1)
        bands = (in_bands(spectra, filters) - in_bands(wanted, filters)).abs().mean((1, 2))
        return fine + bands


def default_steps(crops: int) -> int:
    """Steps for so many crops of half a second: little sound has little to teach."""
    return min(_MOST_STEPS, _FEWEST_STEPS + crops // 3)


def measure_codec(codec: AudioFSQ | PublishedCodec, samples: Sequence[weft.Sample[Waveform]]) -> dict[str, float]:
    """Figures on sounds that the codec has not seen.

    Returns:
        ``log_mel_l1``, the mean absolute difference of log-magnitudes in mel bands after decoding to sound, in nats,
        and ``codes_used``, the share of the ids that occur; nothing without samples.
    """
    sounds = [sample.payload for sample in islice(samples, _MEASURED)]
    if not sounds:
        return {}
    tokens = codec.encode(sounds)
    pairs = zip(sounds, codec.decode(tokens), strict=True)
    errors = [float((codec.mel(sound) - codec.mel(back)).abs().mean()) for sound, back in pairs]
    used = np.unique(np.concatenate(tokens))
    return {"log_mel_l1": float(np.mean(errors)), "codes_used": len(used) / codec.vocab_size}


def _spectra(samples: Sequence[weft.Sample[Waveform]], config: CodecConfig) -> list[Tensor]:
    """Log-magnitudes of evenly spaced sounds, as many as memory is set aside for."""
    codec = AudioFSQ(config)
    probes = [samples[place] for place in _spaced(len(samples), _PROBES)]
    mean = sum(codec.spectra(sample.payload).nbytes for sample in probes) / len(probes)
    chosen = _spaced(len(samples), max(1, int(_MEMORY / mean)))
    return [codec.spectra(samples[place].payload) for place in chosen]


def _spaced(length: int, count: int) -> list[int]:
    """At most so many evenly spaced places."""
    count = min(length, count)
    return [place * length // count for place in range(count)]
