"""Files of every kind to pieces of sound."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import weft
from weft_audio import Waveform, reading
from weft_audio.reading import Cut, read_header, read_pieces

FORMATS = [
    ("WAV", "PCM_U8", 8000), ("WAV", "PCM_24", 44_100), ("WAV", "DOUBLE", 192_000), ("WAV", "MS_ADPCM", 22_050),
    ("FLAC", "PCM_16", 16_000), ("OGG", "VORBIS", 44_100), ("OGG", "OPUS", 48_000), ("MP3", "MPEG_LAYER_III", 44_100),
    ("AIFF", "PCM_16", 22_050), ("AU", "ULAW", 8000), ("CAF", "ALAC_16", 44_100), ("W64", "FLOAT", 32_000),
    ("VOC", "PCM_16", 11_025),
]  # fmt: skip


def pieces_of(item: weft.Item, seconds: float, cut: Cut) -> list[Waveform]:
    return [sound for piece in read_pieces(item, seconds, cut) for sound in piece.sounds]


def whole(item: weft.Item, seconds: float = 60.0) -> Waveform:
    (piece,) = pieces_of(item, seconds, cut="evenly")
    return piece


@pytest.mark.parametrize(("container", "coding", "rate"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_sounds_as_it_did(
    make_item: Any, encode: Any, container: str, coding: str, rate: int, channels: int, sine: Any, strongest: Any
) -> None:
    samples = np.stack([sine(440, 0.5, rate)] * channels, axis=1)
    # The name is wrong on purpose: the content decides.
    sound = whole(make_item(encode(samples, rate, format=container, subtype=coding), "a.xyz"))
    assert sound.rate == rate
    assert sound.seconds == pytest.approx(0.5, abs=0.06)
    assert strongest(sound) == pytest.approx(440, rel=0.005)
    assert np.std(sound.samples) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_channels_become_their_mean(make_item: Any, encode: Any, sine: Any) -> None:
    left, right = sine(440), sine(1000, level=0.3)
    sound = whole(make_item(encode(np.stack([left, right, 0 * left], axis=1), subtype="FLOAT")))
    assert np.allclose(sound.samples, (left + right) / 3, atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(length=st.integers(0, 5000), seconds=st.floats(0.01, 0.5), channels=st.integers(1, 3))
def test_cutting_loses_no_sample(make_item: Any, encode: Any, length: int, seconds: float, channels: int) -> None:
    levels = np.random.default_rng(length).integers(-(2**15), 2**15, (length, channels), dtype=np.int16)
    item = make_item(encode(levels, 8000, subtype="PCM_16"))
    pieces = pieces_of(item, seconds, cut="evenly")
    expected = (levels / 32_768).mean(axis=1).astype(np.float32)
    assert np.array_equal(np.concatenate([np.empty(0, np.float32), *(piece.samples for piece in pieces)]), expected)
    lengths = [len(piece.samples) for piece in pieces]
    assert all(0 < each <= max(1, int(seconds * 8000)) for each in lengths)
    assert not lengths or max(lengths[:-1], default=lengths[0]) - min(lengths[:-1], default=lengths[0]) == 0
    assert len(lengths) == -(-length // max(1, int(seconds * 8000)))


def test_cutting_fully_leaves_the_rest_for_the_end(make_item: Any, encode: Any) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 2100).astype(np.float32)
    pieces = pieces_of(make_item(encode(samples, 8000, subtype="FLOAT")), 0.1, cut="fully")
    assert [len(piece.samples) for piece in pieces] == [800, 800, 500]
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), samples)


def test_blocks_are_put_together(make_item: Any, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    item = make_item(encode(samples, subtype="FLOAT"))
    at_once = whole(item)
    monkeypatch.setattr(reading, "_BLOCK", 66)
    assert whole(item) == at_once


def test_of_one_that_must_not_be_cut_there_is_enough_to_see_that_it_is_too_long(
    make_item: Any, encode: Any, sine: Any
) -> None:
    item = make_item(encode(sine(440, 1.0)))
    (piece,) = pieces_of(item, 0.25, cut="never")
    assert len(piece.samples) == 4001
    (piece,) = pieces_of(item, 1.0, cut="never")
    assert len(piece.samples) == 16_000


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\xff\xff\xff\x7fWAVEfmt ", b"fLaC" + bytes(200), b"OggS" * 9, b"\x89PNG\r\n\x1a\n" * 9]
)
def test_what_is_no_audio_is_unreadable(make_item: Any, data: bytes) -> None:
    with pytest.raises(weft.UnreadableError):
        pieces_of(make_item(data), 4.0, cut="evenly")
    assert read_header(make_item(data)) is None


def _wav(rate: int, claimed: int, data: bytes, channels: int = 1) -> bytes:
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", claimed) + data
    return struct.pack("<4sI", b"RIFF", min(2**32 - 1, claimed + 36)) + body


def _with_total(flac: bytes, total: int) -> bytes:
    """FLAC whose header claims another number of samples: the low 36 bits of bytes 18 to 25."""
    fields = int.from_bytes(flac[18:26], "big")
    return flac[:18] + (fields >> 36 << 36 | total).to_bytes(8, "big") + flac[26:]


@pytest.mark.parametrize(
    "name", ["wav claims 4 GB", "wav of many channels", "flac claims nothing", "flac claims 36 bits"]
)
def test_what_a_header_claims_is_not_believed(make_item: Any, encode: Any, name: str) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 16_000, dtype=np.int16)
    flac = encode(noise, format="FLAC", subtype="PCM_16")
    data, kept = {
        "wav claims 4 GB": (_wav(16_000, 2**32 - 40, noise.tobytes()), 16_000),
        "wav of many channels": (_wav(16_000, 2**31, noise.tobytes(), channels=1000), 16),
        "flac claims nothing": (_with_total(flac, 0), 16_000),
        "flac claims 36 bits": (_with_total(flac, 2**36 - 1), 16_000),
        "flac is cut off": (flac[: len(flac) // 2], 4096),
    }[name]
    tracemalloc.start()
    pieces = pieces_of(make_item(data), 4.0, cut="evenly")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sound = np.concatenate([piece.samples for piece in pieces])
    assert len(sound) >= kept
    if name != "wav of many channels":
        assert np.array_equal(sound[:kept], noise[:kept].astype(np.float32) / 32_768)
    assert peak < 16e6


def test_what_is_a_little_longer_than_its_header_says_is_still_one_piece(make_item: Any, encode: Any) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 16_000, dtype=np.int16)
    flac = _with_total(encode(noise, format="FLAC", subtype="PCM_16"), 15_900)
    assert len(whole(make_item(flac)).samples) >= 15_900


def test_what_is_cut_off_amid_its_frames_is_unreadable(make_item: Any, encode: Any) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 16_000, dtype=np.int16)
    flac = encode(noise, format="FLAC", subtype="PCM_16")
    with pytest.raises(weft.UnreadableError, match="to its end"):
        pieces_of(make_item(flac[: len(flac) // 2]), 4.0, cut="evenly")


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_impossible_rates_are_refused(make_item: Any, rate: int) -> None:
    with pytest.raises(weft.UnreadableError, match="samples a second"):
        pieces_of(make_item(_wav(rate, 200, bytes(200))), 4.0, cut="evenly")


def test_headers_tell_rate_and_length(make_item: Any, encode: Any, sine: Any) -> None:
    header = read_header(make_item(encode(sine(440, 0.5, 11_127), 11_127)))
    assert header is not None
    assert header.rate == 11_127
    assert header.seconds == pytest.approx(0.5, abs=1e-3)
    assert read_header(make_item(encode(np.empty(0, np.float32)))) is None


def test_a_file_that_is_read_from_disk_streams(tmp_path: Any, sine: Any, strongest: Any) -> None:
    soundfile.write(tmp_path / "a.mp3", sine(440, 3.0), 16_000)
    path = tmp_path / "a.mp3"
    item = weft.Item(name="a.mp3", open=lambda: path.open("rb"), size=path.stat().st_size)
    pieces = pieces_of(item, 0.5, cut="evenly")
    assert len(pieces) in (6, 7)
    assert all(strongest(piece) == pytest.approx(440, rel=0.01) for piece in pieces[:6])
    assert isinstance(item.open(), io.BufferedReader)
