"""Audio from real files to a corpus, a run and generated sounds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import weft
from weft.preparation.ledger import check_counts
from weft_audio import Waveform

NASTY = Path(__file__).parents[4] / "shared" / "data" / "nasty" / "audio"


def sounds(corpus: Any, registry: Any) -> dict[str, Waveform]:
    names = [row["item"] for row in corpus.verdicts() if row["verdict"] == "kept"]
    return dict(zip(names, (s.payload for s in corpus.samples(registry.payload_format("audio"))), strict=True))


def test_long_recordings_are_cut_into_clips(prepare_audio: Any, audio_registry: Any, tmp_path: Path, sine: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        soundfile.write(source / f"{number}.flac", sine(440 + 10 * number, 1.0, 8000), 8000)
    corpus = prepare_audio(source, seconds=0.4, near="off")
    clips = [sample.payload for sample in corpus.samples(audio_registry.payload_format("audio"))]
    assert [len(clip.samples) for clip in clips] == [2667, 2667, 2666] * 3
    assert corpus.manifest["options"]["audio.rate"] == 8000
    lengths = [len(tokens) for tokens in corpus.layer("payload", corpus.codec_hash("audio"))]
    assert lengths == [2 * 21] * 9
    assert corpus.manifest["codecs"]["audio"]["quality"]["log_mel_l1"] > 0


def test_clips_of_fixed_length(prepare_audio: Any, audio_registry: Any, tmp_path: Path, sine: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, seconds in enumerate((0.2, 0.5, 0.9)):
        soundfile.write(source / f"{number}.wav", sine(440, seconds, 8000), 8000)
    corpus = prepare_audio(source, fixed=True, seconds=0.51, near="off")
    assert {len(s.payload.samples) for s in corpus.samples(audio_registry.payload_format("audio"))} == {4096}
    assert corpus.codec("audio", audio_registry).facts().length == 64
    assert {len(tokens) for tokens in corpus.layer("payload", corpus.codec_hash("audio"))} == {64}


def test_the_same_sound_in_another_file_is_a_duplicate(prepare_audio: Any, tmp_path: Path, sine: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    levels = Waveform(sine(440), 16_000).pcm()
    soundfile.write(source / "a.wav", levels, 16_000)
    soundfile.write(source / "b.flac", levels, 16_000)
    soundfile.write(source / "c.wav", np.stack([levels] * 2, axis=1), 16_000)
    soundfile.write(source / "d.aiff", levels // 2, 16_000)
    assert prepare_audio(source, near="off").manifest["counts"]["rejected"] == {"duplicate": 2}


def test_every_nasty_file_is_used_or_rejected_with_a_reason(
    prepare_audio: Any, audio_registry: Any, strongest: Any
) -> None:
    if not NASTY.is_dir():
        pytest.skip("the folder of nasty files is not there")
    corpus = prepare_audio(NASTY, rate=8000)
    check_counts(corpus.manifest["counts"])
    reasons = {row["item"]: row["reason"] for row in corpus.verdicts() if row["verdict"] == "rejected"}
    # One square wave in four encodings, of different levels and 8 to 64 bits; one of them stands for all.
    one_sound = {"float64_mono.wav", "pcm8.wav", "pcm24_stereo.wav", "three_channels.wav"}
    repeated = {name for name, reason in reasons.items() if reason == "near-duplicate"}
    assert repeated < one_sound
    assert len(repeated) == 3
    reasons = {name: reason for name, reason in reasons.items() if name not in repeated}
    assert reasons == {
        **dict.fromkeys(["bad_riff_header.wav", "cut_off.mp3", "empty.wav", "no_data_chunk.wav"], "unreadable"),
        **dict.fromkeys(["nan_and_inf.wav", "really_png.wav", "zero_channels.wav"], "unreadable"),
        **dict.fromkeys(["zero_sample_rate.wav"], "unreadable"),
        **dict.fromkeys(["silence_3s.wav", "adpcm_no_byterate.wav", "mp3_8khz_vbr.mp3"], "silent"),
        **dict.fromkeys(["mp3_in_wav.wav", "speech_8khz.opus"], "silent"),
        "no_samples.wav": "empty",
        "sixteen_samples.wav": "too-short",
    }
    kept = sounds(corpus, audio_registry)
    assert set(kept) == {path.name for path in NASTY.iterdir()} - set(reasons) - repeated
    for name, sound in kept.items():
        samples, rate = soundfile.read(NASTY / name, always_2d=True)
        mixed = samples.mean(axis=1)
        assert sound.seconds == pytest.approx(len(mixed) / rate, abs=2e-4)
        assert 0.01 < sound.peak <= 1
        # Below 3 kHz it is what soundfile reads.
        size = 2**18
        wanted, found = (
            np.abs(np.fft.rfft(mixed - mixed.mean(), size)) / rate,
            np.abs(np.fft.rfft(sound.samples, size)) / 8000,
        )
        places = np.linspace(50, 3000, 500)
        a = np.interp(places, np.fft.rfftfreq(size, 1 / rate), wanted)
        b = np.interp(places, np.fft.rfftfreq(size, 1 / 8000), found)
        assert np.corrcoef(a, b)[0, 1] > 0.98
        # Of a sound that begins abruptly, as some of 50 ms do, the ringing before its beginning is lost.
        assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(a), rel=0.1)


@pytest.mark.slow
def test_captions_lead_to_what_is_generated(tmp_path: Path, sine: Any, strongest: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        name, frequency = [("low", 300), ("high", 1000)][number % 2]
        level, seconds = random.uniform(0.3, 0.8), random.uniform(0.2, 0.3)
        soundfile.write(source / f"{number}.wav", sine(frequency, seconds, 8000, level), 8000)
        rows.append((f"{number}.wav", f"a {name} note"))
    with (source / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file_name", "caption"), *rows])
    options = {"audio.tokens": 62, "audio.codec_steps": 120, "audio.near": "off"}
    corpus = weft.prepare(source, out=tmp_path / "corpus", options=options)
    run = weft.train(corpus, out=tmp_path / "run", steps=80, batch_size=16, threads=1)
    low = run.generate("a low note", n=4, seed=1, seconds=0.256)
    high = run.generate("a high note", n=4, seed=1)
    assert all(artifact.payload.seconds == 0.256 for artifact in low)
    assert all(0.15 < artifact.payload.seconds < 0.35 for artifact in high)
    pitches = [strongest(artifact.payload) for artifact in (*low, *high)]
    assert sum(abs(pitch - 300) < 60 for pitch in pitches[:4]) >= 3
    assert sum(abs(pitch - 1000) < 100 for pitch in pitches[4:]) >= 3
    again = run.generate("a high note", n=4, seed=1)
    assert [artifact.payload for artifact in again] == [artifact.payload for artifact in high]
    path = high[0].save(tmp_path / "out")
    assert path.name == "a-high-note-1.wav"
    assert soundfile.info(path).samplerate == 8000
    with pytest.raises(weft.GenerationError, match="longer than the longest clip"):
        run.generate("a low note", seconds=5)
