"""From segments to ids: one order for training, prompts and the guidance twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import GenerationError
from weft.interfaces.segments import EncodedSegment, Role, TokenSequence

SIZES = {"text": 20, "melody": 12}
VOCABULARY = Vocabulary.build(SIZES)
SEQUENCES = Sequences(VOCABULARY)


def segment(modality: str, role: Role, tokens: list[int]) -> EncodedSegment:
    return EncodedSegment(modality, role, np.array(tokens, dtype=np.uint16))


def tokens_of(modality: str, least: int = 0) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, SIZES[modality] - 1), min_size=least, max_size=12)


conditions = st.one_of(tokens_of("text").map(lambda t: segment("text", "condition", t)))
targets = st.one_of(*(tokens_of(m).map(lambda t, m=m: segment(m, "target", t)) for m in SIZES))


def by_hand(segments: list[EncodedSegment]) -> TokenSequence:
    """The definition: marker and ids of each condition, then of the target, then the end."""
    ids: list[int] = []
    learned: list[bool] = []
    for role in ("condition", "target"):
        for each in (s for s in segments if s.role == role):
            ids += [
                VOCABULARY.marker_id(each.modality),
                *(VOCABULARY.block(each.modality)[0] + each.tokens.astype(int)),
            ]
            learned += [False, *[role == "target"] * len(each.tokens)]
    return TokenSequence(np.array([*ids, VOCABULARY.end_id]), np.array([*learned, True]))


@given(before=st.lists(conditions, max_size=2), target=targets, after=st.lists(conditions, max_size=1))
@settings(max_examples=60, deadline=None)
def test_conditions_come_first_and_only_the_target_is_learned(
    before: list[EncodedSegment], target: EncodedSegment, after: list[EncodedSegment]
) -> None:
    closed, expected = SEQUENCES.closed([*before, target, *after]), by_hand([*before, target, *after])
    assert closed.ids.dtype == np.int64
    assert closed.ids.tolist() == expected.ids.tolist()
    assert closed.learned.tolist() == expected.learned.tolist()


@given(condition=conditions, target=targets, start=st.integers(0, 40), length=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_window_is_a_slice_of_the_whole(
    condition: EncodedSegment, target: EncodedSegment, start: int, length: int
) -> None:
    whole = SEQUENCES.closed([condition, target])
    window = SEQUENCES.closed([condition, target], start, start + length)
    assert window.ids.tolist() == whole.ids[start : start + length].tolist()
    assert window.learned.tolist() == whole.learned[start : start + length].tolist()
    assert SEQUENCES.closed([condition, target], start).ids.tolist() == whole.ids[start:].tolist()


@given(condition=conditions, target=targets)
@settings(max_examples=60, deadline=None)
def test_a_prompt_is_the_beginning_of_what_was_learned(condition: EncodedSegment, target: EncodedSegment) -> None:
    opened = SEQUENCES.open([condition], target.modality)
    closed = SEQUENCES.closed([condition, target])
    assert opened.ids.tolist() == closed.ids[: len(opened.ids)].tolist()
    assert closed.learned[len(opened.ids) :].all()
    assert not closed.learned[: len(opened.ids)].any()


@given(target=targets, cut=st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_a_target_that_has_begun_goes_on_where_it_is(target: EncodedSegment, cut: int) -> None:
    begun = EncodedSegment(target.modality, "target", target.tokens[:cut])
    opened = SEQUENCES.open([begun], target.modality)
    assert opened.ids.tolist() == SEQUENCES.closed([target]).ids[: len(opened.ids)].tolist()
    assert len(opened.ids) == 1 + len(begun.tokens)


@given(condition=conditions, target=targets)
@settings(max_examples=60, deadline=None)
def test_the_twin_of_guidance_is_what_dropped_conditions_teach(
    condition: EncodedSegment, target: EncodedSegment
) -> None:
    twin = SEQUENCES.open([], target.modality).ids
    dropped, kept = SEQUENCES.closed([target]).ids, SEQUENCES.closed([condition, target]).ids
    assert twin.tolist() == dropped[: len(twin)].tolist()
    assert dropped.tolist() == kept[len(condition.tokens) + 1 :].tolist()


def test_blocks_and_ends_are_those_of_the_vocabulary() -> None:
    assert SEQUENCES.block("melody") == VOCABULARY.block("melody")
    assert SEQUENCES.end_id == VOCABULARY.end_id
    with pytest.raises(GenerationError, match="knows no image"):
        SEQUENCES.open([], "image")


def test_conditions_are_learned_where_that_is_asked_for() -> None:
    segments = [EncodedSegment("text", "condition", np.arange(3)), EncodedSegment("image", "target", np.arange(2))]
    vocabulary = Vocabulary.build({"text": 5, "image": 4})
    target, everything = (Sequences(vocabulary, learn_conditions=on).closed(segments) for on in (False, True))
    assert target.ids.tolist() == everything.ids.tolist()
    markers = {vocabulary.marker_id("text"), vocabulary.marker_id("image")}
    assert everything.learned.tolist() == [int(i) not in markers for i in everything.ids]
    assert int(everything.learned.sum()) == int(target.learned.sum()) + 3
