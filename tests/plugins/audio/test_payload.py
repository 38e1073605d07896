"""Waveforms, and how they are stored, saved and shown."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import weft_audio
from weft_audio import Waveform
from weft_audio.options import RATES
from weft_audio.payload import AudioFormat
from weft_audio.picture import spectrogram_picture

levels = arrays(np.int16, st.integers(1, 3000))


@given(levels=levels, rate=st.sampled_from(RATES))
def test_what_16_bits_hold_is_stored_without_loss(levels: npt.NDArray[np.int16], rate: int) -> None:
    sound, form = Waveform.from_pcm(levels, rate), AudioFormat()
    back = form.from_bytes(form.to_bytes(sound))
    assert back == sound
    assert form.content_hash(back) == form.content_hash(sound)
    assert np.array_equal(back.pcm(), levels)


@given(samples=arrays(np.float32, st.integers(1, 500), elements=st.floats(-1.5, 1.5, width=32)))
def test_quantizing_takes_the_nearest_level_within_full_scale(samples: npt.NDArray[np.float32]) -> None:
    sound = Waveform(samples, 8000)
    once = sound.quantized()
    assert once == once.quantized()
    assert np.abs(once.samples - samples.clip(-1, 32767 / 32768)).max() <= 0.5 / 32768
    assert AudioFormat().from_bytes(AudioFormat().to_bytes(once)) == once


@pytest.mark.parametrize("samples", [np.empty(0, np.float32), np.array([0.1], np.float32), np.array([1.5], np.float32)])
def test_what_is_not_clean_is_not_stored(samples: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="16 bits hold exactly"):
        AudioFormat().to_bytes(Waveform(samples, 8000))


def test_the_hash_tells_rates_and_samples_apart() -> None:
    form, samples = AudioFormat(), np.array([1, 2, 3], np.int16)
    sounds = [
        Waveform.from_pcm(samples, 8000),
        Waveform.from_pcm(samples, 16_000),
        Waveform.from_pcm(samples + 1, 8000),
    ]
    assert len({form.content_hash(sound) for sound in sounds}) == 3
    assert len(set(sounds)) == 3


def test_a_waveform_is_one_channel_of_float32() -> None:
    for samples in (np.zeros((2, 3), np.float32), np.zeros(3)):
        with pytest.raises(ValueError, match="float32"):
            Waveform(samples, 8000)
    with pytest.raises(ValueError, match="rate"):
        Waveform(np.zeros(3, np.float32), 0)
    assert Waveform(np.zeros(4000, np.float32), 8000).seconds == 0.5
    assert Waveform(np.empty(0, np.float32), 8000).peak == 0


def test_it_is_saved_as_a_file_that_players_open(tmp_path: Path, sine: Any) -> None:
    sound, form = Waveform(sine(440, rate=11_025), 11_025).quantized(), AudioFormat()
    path = tmp_path / f"a{form.extension}"
    form.save(sound, path)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", 11_025, 1)
    assert Waveform.from_pcm(soundfile.read(path, dtype="int16")[0], 11_025) == sound


def test_a_page_has_a_player_and_a_picture(tmp_path: Path, sine: Any) -> None:
    sound = Waveform(sine(1000), 16_000).quantized()
    fragment = AudioFormat().html(sound, tmp_path / "media" / "one", title='<"a" & b>')
    references = re.findall(r'src="([^"]*)"', fragment)
    assert references == ["media/one.png", "media/one.wav"]
    assert soundfile.info(tmp_path / references[1]).frames == len(sound.samples)
    with Image.open(tmp_path / references[0]) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
    assert "<audio controls" in fragment
    assert html.escape('<"a" & b>') in fragment
    assert '<"a"' not in fragment


def test_the_picture_is_bright_where_the_sound_is(sine: Any) -> None:
    low, high = (
        np.asarray(spectrogram_picture(Waveform(sine(frequency), 16_000)).convert("L")).sum(1)
        for frequency in (200, 6000)
    )
    assert len(low) - low.argmax() < len(high) - high.argmax() - len(low) // 2
    silent = np.asarray(spectrogram_picture(Waveform(np.zeros(99, np.float32), 16_000)))
    assert silent.max() < 16


def test_the_entry_module_loads_nothing_heavy() -> None:
    code = "import sys, weft_audio; print([m for m in ('torch', 'numpy', 'soundfile', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="Wave"):
        weft_audio.Wave  # noqa: B018
