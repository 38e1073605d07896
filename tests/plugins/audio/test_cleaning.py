"""Sound of any rate and level to the form that the codec learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft_audio import Waveform
from weft_audio.cleaning import center, pad, resample
from weft_audio.options import RATES, AudioOptions
from weft_audio.payload import AudioFormat
from weft_audio.preparer import AudioPreparer


def clean(samples: Any, rate: int, **options: Any) -> Waveform:
    preparer = AudioPreparer(AudioOptions(**{"rate": 16_000, "seconds": 4.0, **options}))
    return preparer.clean(weft.Sample(Waveform(np.asarray(samples, np.float32), rate))).payload


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("source", [8000, 11_025, 11_127, 44_100, 96_000, 192_000])
def test_resampling_keeps_pitch_level_and_length(source: int, rate: int, sine: Any, strongest: Any) -> None:
    sound = resample(Waveform(sine(1000, 0.6, source), source), rate)
    assert sound.rate == rate
    assert sound.seconds == pytest.approx(0.6, abs=1e-3)
    assert strongest(sound) == pytest.approx(1000, rel=5e-4)
    middle = sound.samples[len(sound.samples) // 4 : -len(sound.samples) // 4]
    assert np.std(middle) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_what_a_rate_cannot_hold_is_left_out(sine: Any) -> None:
    sound = resample(Waveform(sine(5500, 0.5, 44_100), 44_100), 8000)
    assert np.std(sound.samples[800:-800]) < 0.003


@pytest.mark.parametrize("source", [1000, 1009, 999_983, 1_000_000])
@pytest.mark.parametrize("rate", [8000, 48_000])
def test_rates_at_the_limits_take_no_great_tables(source: int, rate: int) -> None:
    assert len(resample(Waveform(np.zeros(5000, np.float32), source), rate).samples) == pytest.approx(
        5000 * rate / source, rel=0.01, abs=2
    )


def test_a_constant_offset_goes(sine: Any) -> None:
    sound = clean(sine(440) + 0.3, 16_000)
    assert abs(float(sound.samples.mean())) < 1e-4
    assert np.abs(sound.samples - sine(440)).max() < 1e-3


def test_what_is_too_loud_keeps_its_form(sine: Any) -> None:
    sound = clean(8000 * sine(440), 16_000)
    assert 0.999 < sound.peak <= 1.0
    assert np.abs(sound.samples - 2 * sine(440)).max() < 1e-3
    quiet = clean(sine(440, level=0.01), 16_000)
    assert quiet.peak == pytest.approx(0.01, rel=0.01)


@given(
    rate=st.sampled_from([8000, 11_025, 16_000]),
    length=st.integers(1, 3000),
    level=st.sampled_from([1e-3, 0.5, 40.0]),
    fixed=st.booleans(),
)
def test_what_is_clean_is_stored_without_loss_and_stays_as_it_is(
    rate: int, length: int, level: float, fixed: bool
) -> None:
    noise = level * np.random.default_rng(length).standard_normal(length)
    sound = clean(noise, rate, fixed=fixed, seconds=0.5)
    form = AudioFormat()
    assert form.from_bytes(form.to_bytes(sound)) == sound
    assert sound.rate == 16_000
    again = clean(sound.samples, 16_000, fixed=fixed, seconds=0.5)
    assert np.abs(again.samples - sound.samples).max(initial=0) <= 2 / 32_768


def test_fixed_clips_are_filled_up_with_silence(sine: Any) -> None:
    sound = clean(sine(440, 0.3), 16_000, fixed=True, seconds=0.512)
    assert len(sound.samples) == 8192
    assert not sound.samples[4800:].any()
    assert np.abs(sound.samples[:4800] - sine(440, 0.3)).max() < 1e-3


@given(rate=st.sampled_from(RATES), length=st.integers(0, 50), wanted=st.integers(0, 60))
def test_padding_makes_the_length(rate: int, length: int, wanted: int) -> None:
    samples = np.arange(length, dtype=np.float32)
    padded = pad(Waveform(samples, rate), wanted)
    assert len(padded.samples) == wanted
    assert np.array_equal(padded.samples[:length], samples[:wanted])
    assert center(Waveform(samples[:0], rate)).seconds == 0
