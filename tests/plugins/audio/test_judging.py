"""Options from the data, filters, captions: the small decisions of stage 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
from weft.errors import OptionError
from weft.generation.request import settle
from weft.plugins.options import build_options
from weft_audio import Waveform
from weft_audio.filters import Length, Silent
from weft_audio.generator import AudioGenerator
from weft_audio.options import AudioOptions, default_rate
from weft_audio.preparer import AudioPreparer


def silence(seconds: float, level: float = 0.0) -> weft.Sample[Waveform]:
    return weft.Sample(Waveform(np.full(round(seconds * 1000), level, np.float32), 1000))


def code(judge: Any, sample: Any) -> str | None:
    reason = judge.check(sample)
    return reason and reason.code


def test_length_is_judged_in_seconds() -> None:
    judge = Length(0.1, 2.0)
    codes = [code(judge, silence(seconds)) for seconds in (0, 0.099, 0.1, 2.0, 2.001)]
    assert codes == ["empty", "too-short", None, None, "too-long"]


def test_silence_is_what_nothing_in_it_is_louder_than() -> None:
    judge = Silent(-60)
    assert [code(judge, silence(1, level)) for level in (0, 0.0009, -0.0011, 1)] == ["silent", "silent", None, None]


def test_options_are_checked() -> None:
    given = {"audio.rate": "16000", "audio.seconds": "1.5", "audio.fixed": "true", "audio.tokens": "62"}
    options = build_options("audio", AudioOptions, given)
    assert options == AudioOptions(rate=16_000, seconds=1.5, fixed=True, tokens=62)
    wrong = {"rate": "17000", "seconds": "0", "longer": "trim", "tokens": "100", "min_level": "1"}
    for name, value in wrong.items():
        with pytest.raises(OptionError, match=f"audio.{name}"):
            build_options("audio", AudioOptions, {f"audio.{name}": value})
    with pytest.raises(OptionError, match="is below"):
        build_options("audio", AudioOptions, {"audio.seconds": "0.5", "audio.min_seconds": "1"})


@pytest.mark.parametrize(
    ("rates", "rate"),
    [
        ([8000], 8000),
        ([11_127], 11_025),
        ([44_100, 48_000], 16_000),
        ([4000], 8000),
        ([8000, 8000, 44_100], 8000),
        ([], 16_000),
    ],
)
def test_the_rate_follows_the_sources(rates: list[int], rate: int) -> None:
    assert default_rate(rates) == rate


def test_what_is_not_set_is_derived_from_headers(make_item: Any, encode: Any, sine: Any) -> None:
    items = [make_item(encode(sine(440, seconds, 8000), 8000)) for seconds in (0.5, 1.23)] + [make_item(b"no audio")]
    resolved = AudioPreparer.resolve(AudioOptions(), items)
    assert (resolved.rate, resolved.seconds) == (8000, 4.0)
    assert AudioPreparer.resolve(AudioOptions(tokens=62), items).seconds == 8.0
    assert AudioPreparer.resolve(AudioOptions(fixed=True), items).seconds == 1.3
    spoken = [make_item(encode(sine(440, 0.5, 8000), 8000), transcript="oh")]
    assert AudioPreparer.resolve(AudioOptions(), spoken).seconds == 16.0
    given = AudioOptions(rate=44_100, seconds=2.0)
    assert AudioPreparer.resolve(given, items) == given
    assert AudioPreparer.resolve(AudioOptions(), items[-1:]).rate == 16_000


def read(item: weft.Item, **options: Any) -> list[Any]:
    preparer = AudioPreparer(AudioOptions(**{"rate": 16_000, "seconds": 0.5, **options}))
    return list(preparer.read(item))


def test_a_transcript_comes_first_and_is_that_of_the_whole(make_item: Any, encode: Any, sine: Any) -> None:
    short, long = encode(sine(440, 0.5)), encode(sine(440, 1.1))
    row = {"transcript": "good morning", "caption": "a man speaking"}
    assert [sample.prompt for sample in read(make_item(short, **row))] == ["good morning"]
    assert [sample.prompt for sample in read(make_item(long, **row))] == ["a man speaking"] * 3
    assert [sample.prompt for sample in read(make_item(long, "a_dog/1.wav", transcript="wuff"))] == ["a dog"] * 3
    assert [sample.prompt for sample in read(make_item(short))] == [None]


def test_longer_ones_can_be_rejected_instead(make_item: Any, encode: Any, sine: Any) -> None:
    preparer = AudioPreparer(AudioOptions(rate=16_000, seconds=0.5, longer="reject"))
    (sample,) = preparer.read(make_item(encode(sine(440, 60))))
    assert len(sample.payload.samples) == 8001
    assert [code(each, sample) for each in preparer.filters()] == ["too-long", None]


def test_samples_that_are_no_numbers_cost_their_piece_only(make_item: Any, encode: Any, sine: Any) -> None:
    samples = sine(440, 1.5)
    samples[9000], samples[9001] = np.nan, np.inf
    first, second, third = read(make_item(encode(samples, subtype="FLOAT")))
    assert isinstance(second, weft.Unreadable)
    assert second.detail.startswith("2 of its 8000 samples are no numbers")
    assert np.array_equal(
        np.concatenate([first.payload.samples, third.payload.samples]), samples[np.r_[:8000, 16_000:24_000]]
    )


def test_creativity_goes_from_the_prompt_to_variety() -> None:
    generator = AudioGenerator()
    precise, balanced, creative = (
        settle(generator, weft.SamplingOptions(seed=0), each) for each in ("precise", "balanced", "creative")
    )
    assert (precise.guidance or 0) > (balanced.guidance or 0)
    assert (creative.temperature, creative.top_p) == (1.0, 1.0)
    assert (balanced.temperature or 9) < 1
    assert settle(generator, weft.SamplingOptions(seed=0), None) == balanced


def lengths(seconds: float | None, length: int | None) -> tuple[int, int]:
    facts = weft.CodecFacts(((0, 9), (9, 18)), unit=2, length=length, tokens_per_second=125)
    sequences: Any = None  # Nothing of it is needed for lengths.
    context = weft.GenerationContext(facts, sequences, 99, 256, {"audio": (20, 200)})
    request = weft.Request("audio", [], settle(AudioGenerator(), weft.SamplingOptions(seed=0, seconds=seconds), None))
    return AudioGenerator().lengths(request, context)


def test_seconds_are_kept_or_refused() -> None:
    assert lengths(None, None) == (20, 200)
    assert lengths(0.8, None) == (100, 100)
    assert lengths(None, 64) == lengths(0.5, 64) == (64, 64)
    with pytest.raises(weft.GenerationError, match="longer than the longest clip"):
        lengths(2, None)
    with pytest.raises(weft.GenerationError, match=r"exactly 0\.51 s, not of 2 s"):
        lengths(2, 64)
