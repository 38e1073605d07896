"""Sound to tokens and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import weft
from weft.interfaces.progress import Silent
from weft.storage.hashing import hash_folder
from weft.training.fit import make_fit
from weft_audio import Waveform
from weft_audio.codec import AudioFSQ
from weft_audio.learning import Crops, default_steps, learn_codec, measure_codec
from weft_audio.network import CodecConfig
from weft_audio.spectrum import Spectrum

CONFIG = CodecConfig(rate=8000, hop=64, stride=2, books=2, width=48, depth=1)


@pytest.fixture(scope="module")
def sounds(sine: Any) -> list[Waveform]:
    """Notes of different lengths."""
    notes = [(220 * 2 ** (n % 5 / 3), 0.2 + 0.03 * n) for n in range(20)]
    return [Waveform(sine(frequency, seconds, 8000), 8000).quantized() for frequency, seconds in notes]


def learn(sounds: Sequence[Waveform], config: CodecConfig = CONFIG, steps: int = 200, seed: int = 0) -> AudioFSQ:
    fit = make_fit(Silent(), seed=seed, device=torch.device("cpu"))
    return learn_codec([weft.Sample(sound) for sound in sounds], config, steps, fit)


@pytest.fixture(scope="module")
def codec(sounds: list[Waveform]) -> AudioFSQ:
    return learn(sounds)


@pytest.fixture(scope="module")
def tokens(codec: AudioFSQ, sounds: list[Waveform]) -> list[weft.Tokens]:
    return codec.encode(sounds)


def test_ids_follow_the_pattern_and_the_length(
    codec: AudioFSQ, sounds: list[Waveform], tokens: list[weft.Tokens]
) -> None:
    facts = codec.facts()
    assert facts.pattern == ((0, 1000), (1000, 2000))
    assert (facts.unit, facts.length, facts.tokens_per_second) == (2, None, 125)
    assert codec.vocab_size == 2000
    for ids, sound in zip(tokens, sounds, strict=True):
        assert ids.dtype == np.int32
        assert len(ids) == 2 * -(-len(sound.samples) // 128)
        for place, (low, high) in enumerate(facts.pattern):
            assert ((low <= ids[place::2]) & (ids[place::2] < high)).all()


def test_neighbors_make_no_difference(codec: AudioFSQ, sounds: list[Waveform], tokens: list[weft.Tokens]) -> None:
    alone = [codec.encode([sound])[0] for sound in sounds]
    backwards = codec.encode(sounds[::-1])[::-1]
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(tokens, alone, backwards, strict=True))


def test_decoding_is_deterministic_and_as_long_as_the_tokens_say(codec: AudioFSQ, tokens: list[weft.Tokens]) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    once = codec.decode(tokens)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert codec.decode(tokens[3:4]) == once[3:4]
    for sound, ids in zip(once, tokens, strict=True):
        assert sound.rate == 8000
        assert len(sound.samples) == 64 * len(ids)
        assert sound == sound.quantized()


def test_any_ids_that_follow_the_pattern_decode(codec: AudioFSQ) -> None:
    random = np.random.default_rng(0)
    for steps in (0, 1, 2, 9):
        ids = np.add(random.integers(0, 1000, (steps, 2)), [0, 1000], dtype=np.int32).flatten()
        (sound,) = codec.decode([ids])
        assert len(sound.samples) == 128 * steps
        assert np.isfinite(sound.samples).all()


def test_what_was_learned_sounds_as_it_did(
    codec: AudioFSQ, sounds: list[Waveform], tokens: list[weft.Tokens], strongest: Any
) -> None:
    back = codec.decode(tokens)
    right = [
        strongest(after) == pytest.approx(strongest(sound), rel=0.03) for sound, after in zip(sounds, back, strict=True)
    ]
    assert np.mean(right) > 0.8
    loudness = [np.std(after.samples) / np.std(sound.samples) for sound, after in zip(sounds, back, strict=True)]
    assert np.median(loudness) == pytest.approx(1, abs=0.2)
    untrained = measure_codec(learn(sounds, steps=1), [weft.Sample(sound) for sound in sounds])
    quality = measure_codec(codec, [weft.Sample(sound) for sound in sounds])
    assert quality["log_mel_l1"] < 0.5 * untrained["log_mel_l1"]
    assert 0 < quality["codes_used"] < 1
    assert measure_codec(codec, []) == {}


def test_equal_seeds_learn_equal_codecs_and_what_is_saved_is_loaded(tmp_path: Path, sounds: list[Waveform]) -> None:
    hashes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        learn(sounds, steps=3, seed=seed).save(tmp_path / name)
        hashes.append(hash_folder(tmp_path / name))
    assert hashes[0] == hashes[1] != hashes[2]
    loaded = AudioFSQ.load(tmp_path / "a")
    (tmp_path / "d").mkdir()
    loaded.save(tmp_path / "d")
    assert hash_folder(tmp_path / "d") == hashes[0]
    again = learn(sounds, steps=3)
    assert loaded.config == again.config
    assert all(map(np.array_equal, loaded.encode(sounds[:3]), again.encode(sounds[:3])))


def test_clips_of_one_length_have_one_number_of_tokens(sounds: list[Waveform]) -> None:
    codec = AudioFSQ(replace(CONFIG, steps=40))
    assert codec.facts().length == 80
    assert {len(ids) for ids in codec.encode([sound for sound in sounds if sound.seconds < 0.64])} == {80}
    with pytest.raises(weft.OptionError, match=r"exactly 0\.64 s"):
        codec.encode(sounds[-1:])


def test_other_rates_are_brought_to_its_own(codec: AudioFSQ, sine: Any, sounds: list[Waveform]) -> None:
    (ids,) = codec.encode([Waveform(sine(440, 0.5, 44_100), 44_100)])
    assert len(ids) == 2 * 32


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100])
def test_spectra_tell_level_and_place_and_become_sound_again(rate: int, sine: Any, strongest: Any) -> None:
    spectrum = Spectrum.for_rate(rate)
    assert spectrum.rate / spectrum.hop == pytest.approx(125, rel=0.03)
    samples = torch.from_numpy(sine(1000, 0.5, rate)[: 50 * spectrum.hop])
    logs = spectrum.analyze(samples)
    assert logs.shape == (50, spectrum.bins)
    middle = logs[10:40].mean(0)
    assert middle.argmax().item() == pytest.approx(1000 * spectrum.window / rate, abs=1)
    assert middle.max().exp().item() == pytest.approx(0.5, rel=0.2)
    back = Waveform(spectrum.synthesize(logs).numpy(), rate)
    assert len(back.samples) == len(samples)
    assert strongest(back) == pytest.approx(1000, rel=0.01)
    assert np.std(back.samples) == pytest.approx(float(samples.std()), rel=0.05)
    silent = spectrum.synthesize(spectrum.analyze(torch.zeros(50 * spectrum.hop)))
    assert silent.abs().max() == 0


def test_crops_are_other_ones_every_epoch_and_cover_the_whole() -> None:
    tape = [torch.arange(37.0)[:, None], torch.arange(37.0, 100.0)[:, None]]
    crops = Crops(tape, 10)
    assert len(crops) == 10
    seen = [torch.cat([crops.draw(index, epoch) for index in range(10)]).flatten() for epoch in range(20)]
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(crops.draw(3, 1), crops.draw(3, 1))
    assert len(torch.cat(seen).unique()) == 100
    assert crops.draw(0, 0).diff(dim=0).unique().tolist() == [1.0]
    assert Crops([torch.ones(3, 2)], 10).draw(0, 0).shape == (10, 2)


def test_steps_grow_with_the_sound_up_to_a_limit() -> None:
    steps = [default_steps(count) for count in (1, 100, 10**6)]
    assert steps == sorted(set(steps))
    assert default_steps(10**9) == steps[-1]
