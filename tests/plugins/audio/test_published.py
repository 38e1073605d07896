"""Published codecs, in tiny folders of the right layout with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import weft
from weft_audio import Waveform
from weft_audio.options import AudioOptions
from weft_audio.preparer import AudioPreparer

transformers = pytest.importorskip("transformers", reason="weft-audio[published] is not installed")

from weft_audio.published import PublishedCodec  # noqa: E402 - after the check for transformers

SMALL: dict[str, dict[str, Any]] = {
    "Encodec": {
        "sampling_rate": 16_000, "num_filters": 4, "hidden_size": 8, "codebook_dim": 8, "codebook_size": 16,
        "upsampling_ratios": [8, 8, 5], "num_lstm_layers": 1, "target_bandwidths": [0.2, 0.8],
    },
    "Dac": {
        "sampling_rate": 16_000, "encoder_hidden_size": 8, "decoder_hidden_size": 64, "downsampling_ratios": [4, 8, 10],
        "upsampling_ratios": [10, 8, 4], "n_codebooks": 3, "codebook_size": 16, "codebook_dim": 4, "hop_length": 320,
    },
    "Mimi": {
        "sampling_rate": 16_000, "num_filters": 4, "hidden_size": 16, "upsampling_ratios": [8, 8, 5],
        "codebook_size": 16, "codebook_dim": 8, "num_quantizers": 3, "num_semantic_quantizers": 1,
        "vector_quantization_hidden_dimension": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 16, "upsample_groups": 16,
    },
}  # fmt: skip


@pytest.fixture(scope="session", params=SMALL)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param.lower())
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**SMALL[request.param])
    model = getattr(transformers, f"{request.param}Model")(config)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if "embed" in name or "codebook" in name:
                tensor.copy_(torch.randn_like(tensor) if tensor.is_floating_point() else tensor)
    model.save_pretrained(path)
    return path


def noise(seconds: float, rate: int = 16_000) -> Waveform:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
    return Waveform(samples, rate).quantized()


def test_codes_follow_the_pattern_and_come_back_as_long(folder: Path) -> None:
    codec = PublishedCodec.from_folder(folder, 125)
    facts = codec.facts()
    assert codec.config.books == facts.unit > 1
    assert codec.vocab_size == 16 * facts.unit
    for seconds in (0.01, 0.5, 0.777):
        sound = noise(seconds)
        (tokens,) = codec.encode([sound])
        assert len(tokens) == facts.unit * max(1, -(-len(sound.samples) // codec.config.step))
        for place, token in enumerate(tokens):
            low, high = facts.pattern[place % len(facts.pattern)]
            assert low <= token < high
        (back,) = codec.decode([tokens])
        assert len(back.samples) == len(tokens) // facts.unit * codec.config.step
        assert back.rate == 16_000
        assert back == back.quantized()
    assert not len(codec.decode([np.empty(0, np.int32)])[0].samples)


def test_any_ids_in_order_decode(folder: Path) -> None:
    codec = PublishedCodec.from_folder(folder, 125)
    random = np.random.default_rng(0)
    ids = np.concatenate([[random.integers(*span) for span in codec.facts().pattern] for _ in range(7)])
    (sound,) = codec.decode([ids.astype(np.int32)])
    assert np.isfinite(sound.samples).all()


def test_what_is_saved_is_all_that_is_needed(folder: Path, tmp_path: Path) -> None:
    codec = PublishedCodec.from_folder(folder, 125)
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        codec.save(path)
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}
    assert {path.suffix for path in one.iterdir()} == {".json", ".safetensors"}
    loaded = PublishedCodec.load(one)
    sound = noise(0.6)
    (tokens,), (again,) = codec.encode([sound]), loaded.encode([sound])
    assert np.array_equal(tokens, again)
    assert codec.decode([tokens]) == loaded.decode([tokens])


def test_tokens_a_second_choose_the_codebooks(folder: Path) -> None:
    few, many = (PublishedCodec.from_folder(folder, tokens) for tokens in (50, 250))
    assert few.config.books < many.config.books
    sound = noise(0.5)
    (short,), (long,) = few.encode([sound]), many.encode([sound])
    first = long.reshape(-1, many.config.books)[:, : few.config.books]
    assert np.array_equal(short.reshape(first.shape), first)


def test_a_corpus_is_complete_without_the_folder(
    folder: Path, tmp_path: Path, prepare_audio: Any, audio_registry: Any
) -> None:
    source, model = tmp_path / "source", tmp_path / "model"
    source.mkdir()
    shutil.copytree(folder, model)
    random = np.random.default_rng(0)
    for number in range(4):
        soundfile.write(source / f"{number}.wav", random.uniform(-0.5, 0.5, 4000 + 500 * number), 8000)
    corpus = prepare_audio(source, codec_folder=str(model))
    shutil.rmtree(model)
    assert corpus.manifest["options"]["audio.rate"] == 16_000
    assert corpus.manifest["codecs"]["audio"]["name"] == "audio-published"
    codec = corpus.codec("audio", audio_registry)
    samples = list(corpus.samples(audio_registry.payload_format("audio")))
    layer = corpus.layer("payload", corpus.codec_hash("audio"))
    for sample, tokens in zip(samples, layer, strict=True):
        assert np.array_equal(codec.encode([sample.payload])[0], tokens)


def test_a_model_chooses_rate_and_length(folder: Path) -> None:
    resolved = AudioPreparer.resolve(AudioOptions(codec_folder=str(folder)), [])
    assert resolved.rate == 16_000
    assert resolved.seconds is not None
    assert resolved.seconds >= 3
    with pytest.raises(weft.OptionError, match=r"leave audio\.rate out"):
        AudioPreparer.resolve(AudioOptions(codec_folder=str(folder), rate=8000), [])


def test_folders_that_hold_no_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError, match=r"no config\.json"):
        PublishedCodec.from_folder(tmp_path, 125)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(weft.OptionError, match="'bert'"):
        PublishedCodec.from_folder(tmp_path, 125)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mimi"}))
    with pytest.raises(weft.OptionError, match=r"model\.safetensors"):
        PublishedCodec.from_folder(tmp_path, 125)
    with pytest.raises(ValueError, match=r"audio\.fixed"):
        AudioOptions(codec_folder=str(tmp_path), fixed=True)
