"""Pictures of sound for pages."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from PIL import Image

from weft_audio.cleaning import pad
from weft_audio.spectrum import FLOOR, Spectrum, from_log, to_log
from weft_audio.waveform import Waveform

_HEIGHT = 128
_NARROWEST, _WIDEST = 240, 640
_PIXELS_PER_SECOND = 250
_BANDS = 64
_COLORS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""From silence to the loudest."""


def spectrogram_picture(sound: Waveform) -> Image.Image:
    """A log-mel spectrogram, low frequencies at the bottom, from -80 dB (black) to full scale."""
    spectrum = Spectrum.for_rate(sound.rate)
    frames = max(1, ceil(len(sound.samples) / spectrum.hop))
    logs = spectrum.analyze(torch.from_numpy(pad(sound, frames * spectrum.hop).samples))
    bands = to_log(from_log(logs) @ spectrum.mel_filters(_BANDS)).numpy()
    level = (bands / -np.log(FLOOR) + 1).clip(0, 1).T[::-1]
    places = np.linspace(0, 1, len(_COLORS))
    pixels = np.stack([np.interp(level, places, channel) for channel in np.array(_COLORS).T], axis=-1)
    width = round(min(_WIDEST, max(_NARROWEST, sound.seconds * _PIXELS_PER_SECOND)))
    image = Image.fromarray(np.rint(pixels).astype(np.uint8))
    return image.resize((width, _HEIGHT), Image.Resampling.BICUBIC)
