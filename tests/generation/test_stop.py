"""Where a text ends: as soon as it contains a stop string, whatever the tokens that it is made of."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs.bpe import ByteLevelBPE
from weft.generation.session import _StopTest

CODEC = ByteLevelBPE.fit(["the cat sat on the mat, ząb za ząb; gęś 猫と犬 🐈 " * 20], 300)

STOPS = st.lists(st.text(st.sampled_from("the cat\nząęś猫犬🐈\ufffd"), min_size=1, max_size=6), min_size=1, max_size=3)
TOKENS = st.lists(st.integers(0, CODEC.vocab_size - 1), max_size=40)
WORDS = st.text(st.sampled_from("the catzą猫🐈 "), max_size=40).map(lambda text: CODEC.encode([text])[0].tolist())


def ends_by_definition(tokens: list[int], stops: list[str]) -> bool:
    text = CODEC.decode([np.array(tokens, dtype=np.int32)])[0]
    return any(stop in text for stop in stops)


@given(
    tokens=TOKENS | WORDS | st.tuples(WORDS, TOKENS, WORDS).map(lambda parts: [*parts[0], *parts[1], *parts[2]]),
    stops=STOPS,
)
@settings(max_examples=300, deadline=None)
def test_a_text_ends_where_the_whole_of_it_contains_a_stop_string(tokens: list[int], stops: list[str]) -> None:
    """Bytes that are no character included."""
    ends = _StopTest(CODEC, stops)
    for count in range(1, len(tokens) + 1):
        expected = ends_by_definition(tokens[:count], stops)
        assert ends(tokens[:count]) == expected
        if expected:
            return


@pytest.mark.parametrize("stop", ["猫", "the cat", "🐈🐈"])
def test_a_stop_string_that_is_drawn_byte_by_byte(stop: str) -> None:
    single = {CODEC.token_bytes(token): token for token in range(CODEC.vocab_size)}
    tokens = [single[bytes([byte])] for byte in ("x" * 50 + stop).encode()]
    ends = _StopTest(CODEC, [stop])
    assert [ends(tokens[:count]) for count in range(1, len(tokens) + 1)] == [False] * (len(tokens) - 1) + [True]


def test_looking_takes_no_longer_when_the_text_does() -> None:
    short, long = ([70] * 100, [70] * 200_000)
    ends = _StopTest(CODEC, ["stop here"])

    def seconds(tokens: list[int]) -> float:
        began = time.process_time()
        for _ in range(20):
            assert not ends(tokens)
        return time.process_time() - began

    assert min(seconds(long) for _ in range(3)) < 20 * min(seconds(short) for _ in range(3))
