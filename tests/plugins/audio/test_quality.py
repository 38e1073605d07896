"""Filters for recordings from the web, and for speech."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import weft
from weft_audio import Waveform
from weft_audio.options import AudioOptions
from weft_audio.preparer import AudioPreparer
from weft_audio.quality import Clipped, MostlySilent, Noisy, signal_to_noise

SPEECH = Path(__file__).parents[4] / "shared" / "data" / "audio" / "speech"


def judged(judge: Any, samples: np.ndarray, rate: int = 16_000) -> str | None:
    sample = weft.Sample(Waveform(samples.astype(np.float32), rate))
    reason = judge.check(weft.Sample(sample.payload, figures=judge.measure(sample)))
    return reason and reason.code


def test_mostly_silent_clips_are_told(sine: Any) -> None:
    tone = sine(440, 0.2)
    assert judged(MostlySilent(0.8), np.concatenate([tone, np.zeros(12_000)])) is None
    assert judged(MostlySilent(0.8), np.concatenate([tone, np.zeros(20_000)])) == "mostly-silent"


@pytest.mark.parametrize(("gain", "code"), [(1.0, None), (1.05, "clipped"), (4.0, "clipped")])
def test_clipped_recordings_are_told_at_any_level(sine: Any, gain: float, code: str | None) -> None:
    clipped = np.clip(sine(440, level=gain), -1, 1)
    assert judged(Clipped(0.01), clipped) == judged(Clipped(0.01), 0.3 * clipped) == code


@pytest.mark.parametrize("decibels", [0, 10, 20])
def test_noise_is_measured(sine: Any, decibels: int) -> None:
    tone = sine(440, 2.0, level=0.5)
    noise = np.random.default_rng(0).normal(0, 0.5 / np.sqrt(2) * 10 ** (-decibels / 20), len(tone))
    sound = Waveform((tone + noise).astype(np.float32), 16_000)
    assert signal_to_noise(sound) == pytest.approx(decibels, abs=1)
    assert judged(Noisy(3.0), sound.samples) == ("noisy" if decibels < 3 else None)


def test_noise_alone_and_silence_have_no_signal() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    assert signal_to_noise(Waveform(noise, 16_000)) < -8
    assert signal_to_noise(Waveform(np.zeros(10, np.float32), 16_000)) == -20


def test_a_persons_own_recordings_are_judged_by_use_alone() -> None:
    def names(**options: Any) -> list[str]:
        return [judge.name for judge in AudioPreparer(AudioOptions(rate=8000, seconds=1.0, **options)).filters()]

    assert names() == ["length", "silent"]
    assert names(quality="web") == ["length", "clipping", "silent", "silence-share", "noise"]


@pytest.mark.skipif(importlib.util.find_spec("silero_vad") is None, reason="weft-audio[vad] is not installed")
def test_speech_is_told_from_other_sounds(sine: Any) -> None:
    import torch

    from weft_audio.speech import Speech

    threads = torch.get_num_threads()
    tone = weft.Sample(Waveform(sine(440, 2.0), 16_000))
    only, none = Speech(True, 0.2), Speech(False, 0.2)
    measured = weft.Sample(tone.payload, figures=only.measure(tone))
    assert torch.get_num_threads() == threads
    reason = only.check(measured)
    assert reason is not None
    assert reason.code == "no-speech"
    assert none.check(measured) is None
    if not SPEECH.is_dir():
        pytest.skip("the recordings of speech are not there")
    samples, rate = soundfile.read(sorted(SPEECH.glob("*.wav"))[0], dtype="float32")
    spoken = weft.Sample(Waveform(samples[: 3 * rate], rate))
    measured = weft.Sample(spoken.payload, figures=none.measure(spoken))
    assert only.check(measured) is None
    reason = none.check(measured)
    assert reason is not None
    assert reason.code == "speech"


def test_speech_needs_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(weft.OptionError, match=r"pip install weft-audio\[vad\]"):
        AudioPreparer.resolve(AudioOptions(speech="only"), [])
