"""Copies of a recording are found, and what only resembles it is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft_audio import Waveform
from weft_audio.cleaning import resample
from weft_audio.matching import match
from weft_audio.near import AudioNearDuplicates
from weft_audio.options import AudioOptions
from weft_audio.preparer import AudioPreparer

DATA = Path(__file__).parents[4] / "shared" / "data" / "audio"
RATE = 16_000


def cleaned(sound: Waveform, rate: int = RATE) -> Waveform:
    return AudioPreparer(AudioOptions(rate=rate, seconds=60.0)).clean(weft.Sample(sound)).payload


def phrase(seed: int, seconds: float = 1.0, rate: int = RATE) -> Waveform:
    """Something like speech: buzzing syllables through formants that move, no two seeds alike."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    steps = np.linspace(0, seconds, max(3, int(seconds * 8)))
    pitch = np.interp(time, steps, random.uniform(90, 220, len(steps)))
    source = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / rate)) + random.normal(0, 0.1, len(time))
    sound = np.zeros(len(time))
    for low, high in ((300, 900), (900, 2400), (2400, 3400)):
        tone = np.cumsum(np.interp(time, steps, random.uniform(low, high, len(steps))))
        sound += source * np.sin(2 * np.pi * tone / rate)
    loudness = np.interp(time, steps, random.uniform(0.05, 1, len(steps))) * np.minimum(1, 50 * time[::-1] / seconds)
    return Waveform((0.2 * sound * loudness).astype(np.float32), rate)


def recoded(sound: Waveform, container: str, coding: str) -> Waveform:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.samples, sound.rate, format=container, subtype=coding)
    samples, rate = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="float32")
    return Waveform(samples, rate)


def noisy(sound: Waveform) -> Waveform:
    level = float(np.sqrt(np.mean(sound.samples**2))) * 10 ** (-30 / 20)
    noise = np.random.default_rng(0).normal(0, level, len(sound.samples))
    return Waveform(sound.samples + noise.astype(np.float32), sound.rate)


COPIES: dict[str, Callable[[Waveform], Waveform]] = {
    "vorbis": lambda sound: recoded(sound, "OGG", "VORBIS"),
    "mp3": lambda sound: recoded(sound, "MP3", "MPEG_LAYER_III"),
    "softer": lambda sound: Waveform(sound.samples * np.float32(0.2), sound.rate),
    "upside down": lambda sound: Waveform(-sound.samples, sound.rate),
    "resampled up": lambda sound: resample(sound, 44_100),
    "resampled down": lambda sound: resample(sound, 8000),
    "later": lambda sound: Waveform(np.concatenate([np.zeros(1234, np.float32), sound.samples]), sound.rate),
    "begun later": lambda sound: Waveform(sound.samples[1500:], sound.rate),
    "turned around": lambda sound: Waveform(np.roll(sound.samples, 1000), sound.rate),
    "through 8 kHz and back": lambda sound: resample(resample(sound, 8000), sound.rate),
    "noise": noisy,
}


def clipped(sound: Waveform) -> Waveform:
    return Waveform(np.clip(4 * sound.samples / sound.peak, -1, 1).astype(np.float32), sound.rate)


def nominated(near: AudioNearDuplicates, a: Waveform, b: Waveform) -> bool:
    one, other = near.sign([a, b])
    return bool(np.intersect1d(one.keys, other.keys).size and near.close(one.sketch, other.sketch[None])[0])


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_nominated_and_the_same(kind: str) -> None:
    near = AudioNearDuplicates()
    for seed in range(6):
        sound = phrase(seed)
        original, copy = cleaned(sound), cleaned(COPIES[kind](sound))
        assert nominated(near, original, copy)
        assert near.same(original, copy)
        assert near.same(copy, original)


def test_other_sounds_are_not_the_same() -> None:
    near = AudioNearDuplicates()
    sounds = [cleaned(phrase(seed)) for seed in range(6)]
    pairs = [(a, b) for i, a in enumerate(sounds) for b in sounds[:i]]
    assert not any(near.same(a, b) for a, b in pairs)
    assert max(match(a, b).similarity for a, b in pairs) < 0.4


def test_a_part_is_not_the_same_as_the_whole() -> None:
    near = AudioNearDuplicates()
    whole = cleaned(phrase(1, 2.0))
    part = Waveform(whole.samples[: len(whole.samples) // 2].copy(), whole.rate)
    assert not near.same(whole, part)
    assert not near.same(part, whole)


def test_the_shift_is_found(sine: Callable[..., np.ndarray]) -> None:
    sound = cleaned(phrase(3))
    later = Waveform(np.concatenate([np.zeros(800, np.float32), sound.samples]), sound.rate)
    assert match(sound, later).seconds == pytest.approx(0.05, abs=1e-4)
    assert match(later, sound).seconds == pytest.approx(-0.05, abs=1e-4)
    assert match(sound, later).similarity == pytest.approx(1, abs=1e-3)


def test_corpora_of_different_rates_have_the_same_keys() -> None:
    near = AudioNearDuplicates()
    low, high = cleaned(phrase(4), 8000), cleaned(phrase(4), 44_100)
    assert nominated(near, low, high)
    assert near.same(low, high)


def test_a_signature_does_not_depend_on_its_neighbors() -> None:
    near = AudioNearDuplicates()
    sounds = [cleaned(phrase(seed, 0.3 + 0.2 * seed)) for seed in range(3)]
    for sound, signature in zip(sounds, near.sign(sounds), strict=True):
        (alone,) = near.sign([sound])
        assert np.array_equal(alone.keys, signature.keys)
        assert np.array_equal(alone.sketch, signature.sketch)
        assert (signature.keys.dtype, signature.sketch.dtype, signature.sketch.shape) == (np.uint64, np.uint64, (64,))


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 3000), level=st.sampled_from([0.0, 1e-4, 0.5]))
def test_sounds_of_any_length_have_a_signature(length: int, level: float) -> None:
    near = AudioNearDuplicates()
    noise = np.random.default_rng(length).uniform(-level, level, length).astype(np.float32)
    sound = Waveform(noise, 8000).quantized()
    (signature,) = near.sign([sound])
    assert len(signature.keys) <= 512
    assert near.close(signature.sketch, signature.sketch[None]).tolist() == [True]
    assert near.same(sound, sound) == bool(sound.samples.any())
    if not sound.samples.any():
        assert not len(signature.keys)


def test_long_recordings_are_compared_in_bounded_memory() -> None:
    near = AudioNearDuplicates()
    sound = cleaned(Waveform(np.concatenate([phrase(seed, 30.0, 8000).samples for seed in range(20)]), 8000), 8000)
    copy = Waveform((0.5 * np.concatenate([np.zeros(500, np.float32), sound.samples])).astype(np.float32), 8000)
    assert nominated(near, sound, copy)
    assert near.same(sound, copy)
    assert not near.same(sound, Waveform(sound.samples[::-1].copy(), 8000))


def test_the_best_is_that_of_the_highest_rate_then_the_longest() -> None:
    near = AudioNearDuplicates()
    sound = Waveform(np.zeros(8000, np.float32), 8000)
    high = near.rank(weft.Sample(sound, figures={"rate": 44_100.0}))
    low = near.rank(weft.Sample(sound, figures={"rate": 8000.0}))
    longer = near.rank(weft.Sample(Waveform(np.zeros(9000, np.float32), 8000), figures={"rate": 8000.0}))
    assert high > longer > low


def test_it_can_be_turned_off() -> None:
    assert AudioPreparer(AudioOptions(rate=8000, seconds=1.0, near="off")).near() is None
    assert AudioPreparer(AudioOptions(rate=8000, seconds=1.0)).near() is not None


def recordings(name: str, every: int = 1) -> list[Waveform]:
    paths = sorted(path for path in (DATA / name).rglob("*") if path.suffix in {".wav", ".flac"})[::every]
    if not paths:
        pytest.skip(f"the recordings of {name} are not there")
    read = (soundfile.read(path, dtype="float32", always_2d=True) for path in paths)
    return [Waveform(np.ascontiguousarray(samples.mean(1), dtype=np.float32), rate) for samples, rate in read]


@pytest.mark.parametrize("name", ["drum_hits", "fsdd"])
def test_different_real_recordings_are_kept_apart(name: str) -> None:
    near = AudioNearDuplicates()
    sounds = [cleaned(sound, 8000) for sound in recordings(name, every=10 if name == "fsdd" else 1)]
    signatures = near.sign(sounds)
    pairs = [
        (a, b)
        for i, (a, one) in enumerate(zip(sounds, signatures, strict=True))
        for b, other in zip(sounds[:i], signatures[:i], strict=True)
        if near.close(one.sketch, other.sketch[None])[0] and np.intersect1d(one.keys, other.keys).size
    ]
    assert not any(near.same(a, b) for a, b in pairs)


def drum(name: str) -> Waveform:
    paths = list((DATA / "drum_hits").rglob(f"{name}.flac"))
    if not paths:
        pytest.skip("the drum hits are not there")
    samples, rate = soundfile.read(paths[0], dtype="float32", always_2d=True)
    return Waveform(np.ascontiguousarray(samples.mean(1), dtype=np.float32), rate)


@pytest.mark.parametrize("name", ["tom_hi", "tom_mid", "tom_lo", "bass", "cymbal", "snare"])
def test_a_soft_and_a_hard_hit_are_kept_apart(name: str) -> None:
    near = AudioNearDuplicates()
    soft, hard = (cleaned(drum(f"drum_{name}_{strength}")) for strength in ("soft", "hard"))
    assert not near.same(soft, hard)
    assert not near.same(hard, soft)


@pytest.mark.parametrize("name", ["hat_snap", "hat_mess", "bd_ada", "bd_gas", "drum_snare_soft"])
def test_damaged_drums_are_the_same(name: str) -> None:
    """A hi-hat of which little is left below 4 kHz, and a drum without its attack."""
    near = AudioNearDuplicates()
    sound = drum(name)
    original = cleaned(sound)
    low = resample(resample(sound, 8000), sound.rate)
    begun_later = Waveform(sound.samples[len(sound.samples) // 12 :], sound.rate)
    assert near.same(original, cleaned(low))
    assert near.same(cleaned(begun_later), original)


def test_a_clipped_boom_is_the_same() -> None:
    near = AudioNearDuplicates()
    sound = drum("bd_ada")
    assert near.same(cleaned(sound), cleaned(clipped(sound)))
    assert near.same(cleaned(clipped(sound)), cleaned(sound))


@pytest.mark.parametrize("ratio", [2 ** (1 / 12), 1.5, 2.0])
def test_tones_of_another_pitch_are_not_the_same(sine: Callable[..., np.ndarray], ratio: float) -> None:
    near = AudioNearDuplicates()
    fade = np.linspace(1, 0, RATE, dtype=np.float32)
    low, high = (cleaned(Waveform(sine(pitch) * fade, RATE)) for pitch in (440, 440 * ratio))
    assert not near.same(low, high)
    assert not near.same(low, Waveform(low.samples[: RATE // 2].copy(), RATE))
