"""Loudness, peaks, silence at the ends, channels, quiet cuts, and the limits on length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
from weft_audio import Waveform
from weft_audio.loudness import decibels, loudness
from weft_audio.options import AudioOptions
from weft_audio.preparer import AudioPreparer


def clean(samples: np.ndarray, rate: int = 16_000, **options: Any) -> weft.Sample[Waveform]:
    preparer = AudioPreparer(AudioOptions(**{"rate": rate, "seconds": 60.0, **options}))
    return preparer.clean(weft.Sample(Waveform(samples, rate)))


def read(item: weft.Item, **options: Any) -> list[Any]:
    return list(AudioPreparer(AudioOptions(**{"rate": 8000, "seconds": 1.0, **options})).read(item))


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("level", [0.001, 0.1, 1.0])
def test_loudness_is_that_of_the_recommendation(sine: Any, rate: int, level: float) -> None:
    """A sine of 997 Hz at full scale in one channel has -3.01 LKFS."""
    assert loudness(Waveform(sine(997, 3.0, rate, level), rate)) == pytest.approx(-3.01 + decibels(level), abs=0.1)


def test_silence_between_does_not_make_it_softer(sine: Any) -> None:
    tone = sine(997, 4.0, level=0.1)
    paused = np.concatenate([tone, np.zeros(64_000, np.float32)])
    assert loudness(Waveform(paused, 16_000)) == pytest.approx(-23.01, abs=0.3)
    assert loudness(Waveform(np.zeros(9, np.float32), 16_000)) is None


@pytest.mark.parametrize("seconds", [0.1, 1.0])
@pytest.mark.parametrize("level", [0.01, 0.9])
def test_clips_are_brought_to_a_loudness(sine: Any, seconds: float, level: float) -> None:
    sample = clean(sine(997, seconds, level=level), loudness=-23.0)
    assert loudness(sample.payload) == pytest.approx(-23, abs=0.1)
    assert sample.figures["loudness_lufs"] == pytest.approx(-23, abs=0.1)


def test_nothing_clips_for_its_loudness(sine: Any) -> None:
    click = 0.01 * sine(997)
    click[8000] = 0.5
    sample = clean(click, loudness=-5.0)
    assert decibels(sample.payload.peak) == pytest.approx(-1, abs=0.01)
    assert sample.figures["loudness_lufs"] < -15


def test_peaks_are_brought_to_a_level(sine: Any) -> None:
    assert decibels(clean(sine(440, level=0.02), peak=-3.0).payload.peak) == pytest.approx(-3, abs=0.02)
    assert clean(sine(440, level=0.02)).payload.peak == pytest.approx(0.02, abs=1e-3)
    with pytest.raises(ValueError, match="give one of them"):
        AudioOptions(loudness=-20.0, peak=-3.0)


def test_silence_at_the_ends_is_cut_off(sine: Any) -> None:
    tone = sine(440, 0.5)
    rest = np.random.default_rng(0).uniform(-1e-3, 1e-3, 8000).astype(np.float32)
    padded = np.concatenate([rest, tone, rest[:4000]])
    sample = clean(padded, trim=True)
    assert sample.payload.seconds == pytest.approx(0.52, abs=0.02)
    assert sample.figures["trimmed_seconds"] == pytest.approx(0.73, abs=0.02)
    assert clean(padded).payload.seconds == 1.25
    assert clean(padded, trim=True, trim_level=-70.0).payload.seconds == pytest.approx(1.25, abs=0.02)


@pytest.mark.parametrize(
    ("policy", "wanted"), [("first", [0.1]), ("left", [0.1]), ("right", [0.2]), ("each", [0.1, 0.2])]
)
def test_channels_are_chosen(make_item: Any, encode: Any, policy: str, wanted: list[float]) -> None:
    both = np.tile(np.array([0.1, 0.2], np.float32), (800, 1))
    samples = read(make_item(encode(both, 8000, subtype="FLOAT"), transcript="one two"), channels=policy)
    assert [float(sample.payload.samples[0]) for sample in samples] == pytest.approx(wanted)
    assert {sample.prompt for sample in samples} == {"one two"}
    assert {(s.figures["channels"], s.figures["rate"], s.figures["seconds"]) for s in samples} == {(2, 8000, 0.1)}
    (mono,) = read(make_item(encode(both[:, :1], 8000, subtype="FLOAT")), channels=policy)
    assert mono.payload.samples[0] == pytest.approx(0.1)


def test_long_recordings_are_cut_where_it_is_quiet(make_item: Any, encode: Any) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 24_000).astype(np.float32)
    for pause in (6000, 11_000, 18_500):
        samples[pause - 400 : pause + 400] = 0
    pieces = [
        sample.payload.samples for sample in read(make_item(encode(samples, 8000, subtype="FLOAT")), longer="quiet")
    ]
    assert np.array_equal(np.concatenate(pieces), samples)
    ends = np.cumsum([len(piece) for piece in pieces])
    assert all(min(abs(end - pause) for pause in (6000, 11_000, 18_500)) <= 400 for end in ends[:-1])
    assert max(map(len, pieces)) <= 8000


def test_recordings_beyond_the_limit_are_refused_at_once(make_item: Any, encode: Any, sine: Any) -> None:
    item = make_item(encode(sine(440, 5.0, 8000), 8000))
    with pytest.raises(weft.UnreadableError, match=r"claims to last 5 s, longer than audio\.max_seconds = 4"):
        read(item, max_seconds=4.0)
    assert len(read(item, max_seconds=5.0)) == 5
