"""Sounds, items in memory, and stage 1 on real files with a codec that is hardly learned."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import weft
from weft.interfaces.progress import Silent
from weft.interfaces.source import Source
from weft.plugins.discovery import discover
from weft.plugins.metadata import installed_plugins
from weft.plugins.registry import Registry
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.storage.corpus import CorpusFolder
from weft.training.fit import make_fit
from weft_audio import Waveform


@pytest.fixture(scope="session")
def sine() -> Callable[..., np.ndarray]:
    """Makes float32 samples."""

    def make(frequency: float, seconds: float = 1.0, rate: int = 16_000, level: float = 0.5) -> np.ndarray:
        return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def strongest() -> Callable[[Waveform], float]:
    """Finds the frequency of most energy, in Hz, interpolated between the bins of a transform."""

    def find(sound: Waveform) -> float:
        samples = sound.samples * np.hanning(len(sound.samples))
        size = 8 * len(samples)
        return float(np.abs(np.fft.rfft(samples, size)).argmax() * sound.rate / size)

    return find


@pytest.fixture
def make_item() -> Callable[..., weft.Item]:
    def make(data: bytes, name: str = "a.wav", **metadata: str) -> weft.Item:
        return weft.Item(name=name, open=lambda: io.BytesIO(data), size=len(data), metadata=metadata)

    return make


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Bytes of a file."""

    def to_file(samples: np.ndarray, rate: int = 16_000, **given: Any) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, **{"format": "WAV", **given})
        return buffer.getvalue()

    return to_file


@pytest.fixture(scope="session")
def audio_registry() -> Registry:
    registry = Registry(discover([plugin for plugin in installed_plugins() if plugin.distribution == "weft-audio"]))
    assert not registry.quarantined
    return registry


@pytest.fixture
def prepare_audio(tmp_path: Path, audio_registry: Registry) -> Callable[..., CorpusFolder]:
    """Runs stage 1 on a folder."""

    def run(source: Path, out: str = "corpus", **options: Any) -> CorpusFolder:
        request = PrepareRequest(
            [Source(source)],
            tmp_path / out,
            options={f"audio.{name}": value for name, value in {"codec_steps": 2, **options}.items()},
        )
        fit = make_fit(Silent(), seed=0, device=torch.device("cpu"))
        return prepare_corpus(request, audio_registry, fit, Silent())

    return run
