"""Token layers as training rows: every target token of every document is learned once an epoch, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.training.data import (
    CONDITION_DROP,
    DocumentRows,
    Row,
    Rows,
    Spread,
    StreamRows,
    TokenSource,
    longest_document,
    rows_of,
)

VOCABULARY = Vocabulary.build({"text": 2000, "melody": 2000})
SEQUENCES = Sequences(VOCABULARY)
PROMPT_TOKEN = 1999
END = VOCABULARY.end_id

lengths_of = st.lists(st.integers(1, 40), min_size=1, max_size=8)
contexts = st.integers(1, 50)
seeds = st.integers(0, 2**40)


def source(
    modality: str, lengths: Sequence[int], prompts: Sequence[int | None] | None = None, held_out: Sequence[int] = ()
) -> TokenSource:
    """A corpus in which no target token occurs twice; prompts are given by their length."""
    ends = np.cumsum(lengths)
    payloads = [np.arange(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    typed = [None if n is None else np.full(n, PROMPT_TOKEN) for n in prompts or [None] * len(lengths)]
    mask = np.isin(np.arange(len(lengths)), held_out)
    return TokenSource(modality, payloads, typed, mask)


def every(rows: object, epoch: int = 0) -> list[Row]:
    return [rows.draw(index, epoch) for index in range(len(rows))]  # type: ignore[attr-defined]


def learned(rows: Sequence[Row]) -> Counter[int]:
    """How often each id is predicted with a loss: the first of a row never is."""
    return Counter(int(i) for row in rows for i in row.ids[1:][row.learned[1:]])


def wanted(corpus: TokenSource, parts: Sequence[int]) -> Counter[int]:
    offset, _ = VOCABULARY.block(corpus.modality)
    tokens = Counter(int(i) + offset for part in parts for i in corpus.payloads[part])
    return tokens + Counter({END: len(parts)})


def document_rows(corpus: TokenSource, context: int, seed: int | None) -> DocumentRows:
    return DocumentRows(corpus, np.arange(len(corpus.payloads)), SEQUENCES, context, seed)


def stream_rows(corpus: TokenSource, context: int, seed: int | None) -> StreamRows:
    return StreamRows(corpus, np.arange(len(corpus.payloads)), SEQUENCES, context, seed)


@given(data=st.data(), lengths=lengths_of, context=contexts, seed=st.none() | seeds, epoch=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_documents_are_learned_once_an_epoch(
    data: st.DataObject, lengths: list[int], context: int, seed: int | None, epoch: int
) -> None:
    prompts = data.draw(
        st.lists(st.none() | st.integers(0, 60), min_size=len(lengths), max_size=len(lengths)), "prompts"
    )
    corpus = source("melody", lengths, prompts)
    rows = every(document_rows(corpus, context, seed), epoch)
    assert learned(rows) == wanted(corpus, range(len(lengths)))
    for row in rows:
        assert 2 <= len(row.ids) <= context + 1
        assert row.learned[1:].any()


@given(lengths=lengths_of, context=contexts, seed=st.none() | seeds, epoch=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_streams_are_learned_once_an_epoch(lengths: list[int], context: int, seed: int | None, epoch: int) -> None:
    corpus = source("text", lengths)
    rows = every(stream_rows(corpus, context, seed), epoch)
    assert learned(rows) == wanted(corpus, range(len(lengths)))
    assert all(2 <= len(row.ids) <= context + 1 for row in rows)


@given(lengths=lengths_of, context=contexts, seed=seeds, epoch=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_window_of_a_stream_is_a_part_of_it(lengths: list[int], context: int, seed: int, epoch: int) -> None:
    corpus = source("text", lengths)
    whole = np.concatenate([SEQUENCES.closed(corpus.segments(i, conditional=False)).ids for i in range(len(lengths))])
    for row in every(stream_rows(corpus, context, seed), epoch):
        assert text(row.ids) in text(whole) * 2


def test_windows_of_a_stream_begin_elsewhere_every_epoch() -> None:
    rows = stream_rows(source("text", [1000]), 100, 0)
    begins = {int(rows.draw(0, epoch).ids[0]) for epoch in range(20)}
    assert len(begins) > 15
    plain = stream_rows(source("text", [1000]), 100, None)
    assert {int(plain.draw(0, epoch).ids[0]) for epoch in range(3)} == {VOCABULARY.marker_id("text")}


@given(prompt=st.integers(0, 60), length=st.integers(1, 60), context=contexts)
@settings(max_examples=60, deadline=None)
def test_windows_of_a_document_with_a_condition_are_slices_of_it(prompt: int, length: int, context: int) -> None:
    corpus = source("melody", [length], [prompt])
    whole = text(SEQUENCES.closed(corpus.segments(0, conditional=True)).ids)
    for seed in (None, dropping_seed()):
        assert all(text(row.ids) in whole for row in every(document_rows(corpus, context, seed)))


def text(ids: npt.NDArray[np.int64]) -> str:
    """Ids as characters, so that ``in`` finds one sequence in another."""
    return "".join(map(chr, ids))


def dropping_seed() -> int:
    """A seed with which the first row of epoch 0 loses its condition."""
    corpus = source("melody", [3], [2])
    marker = VOCABULARY.marker_id("melody")
    return next(seed for seed in range(1000) if document_rows(corpus, 50, seed).draw(0, 0).ids[0] == marker)


def test_what_is_dropped_is_the_condition_and_nothing_else() -> None:
    corpus = source("melody", [5], [4])
    kept = document_rows(corpus, 50, None).draw(0, 0)
    dropped = document_rows(corpus, 50, dropping_seed()).draw(0, 0)
    assert kept.ids.tolist() == SEQUENCES.closed(corpus.segments(0, conditional=True)).ids.tolist()
    assert dropped.ids.tolist() == SEQUENCES.closed(corpus.segments(0, conditional=False)).ids.tolist()
    twin = SEQUENCES.open([], "melody").ids.tolist()
    assert dropped.ids[: len(twin)].tolist() == twin


def test_a_tenth_of_the_conditions_is_dropped() -> None:
    corpus = source("melody", [1] * 400, [2] * 400)
    rows = document_rows(corpus, 16, 7)
    marker = VOCABULARY.marker_id("melody")
    dropped = [row.ids[0] == marker for epoch in range(10) for row in every(rows, epoch)]
    assert abs(np.mean(dropped) - CONDITION_DROP) < 0.02
    first, second = (dropped[epoch * 400 : (epoch + 1) * 400] for epoch in (0, 1))
    assert first != second


def test_no_condition_is_dropped_in_validation() -> None:
    corpus = source("melody", [1] * 300, [2] * 300)
    marker = VOCABULARY.marker_id("melody")
    assert not any(row.ids[0] == marker for row in every(document_rows(corpus, 16, None)))


@given(lengths=lengths_of, context=contexts, seed=seeds, epoch=st.integers(0, 9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_row_depends_on_seed_epoch_and_index_alone(
    lengths: list[int], context: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    corpora = [source("text", lengths), source("melody", lengths, [3] * len(lengths))]
    rows = rows_of(corpora, SEQUENCES, context, held_out=False, seed=seed)
    index = data.draw(st.integers(0, len(rows) - 1), "index")
    every(rows, epoch + 1)
    again = rows_of(corpora, SEQUENCES, context, held_out=False, seed=seed)
    one, two = rows.draw(index, epoch), again.draw(index, epoch)
    assert one.ids.tolist() == two.ids.tolist()
    assert one.learned.tolist() == two.learned.tolist()
    assert one.modality == two.modality


@given(held_out=st.sets(st.integers(0, 5)), context=contexts)
@settings(max_examples=40, deadline=None)
def test_the_sides_of_the_split_share_nothing(held_out: set[int], context: int) -> None:
    lengths = [7, 1, 20, 3, 9, 4]
    corpora = [source("text", lengths, None, sorted(held_out)), source("melody", lengths, [2] * 6, sorted(held_out))]
    for side in (False, True):
        parts = [part for part in range(6) if (part in held_out) == side]
        rows = rows_of(corpora, SEQUENCES, context, held_out=side, seed=0)
        assert learned(every(rows)) == wanted(corpora[0], parts) + wanted(corpora[1], parts)
        assert bool(len(rows)) == bool(parts)


def test_text_with_prompts_is_no_stream() -> None:
    assert source("text", [3, 4]).is_stream
    assert not source("text", [3, 4], [None, 2]).is_stream
    assert not source("melody", [3, 4]).is_stream


def test_several_datasets_are_one() -> None:
    parts = [document_rows(source("melody", [2] * count), 8, None) for count in (3, 0, 1, 4)]
    rows = Rows(parts)
    assert len(rows) == 8
    expected = [row.ids.tolist() for part in parts for row in every(part)]
    assert [row.ids.tolist() for row in every(rows)] == expected


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (4, 4), (9, 9), (100, 9)])
def test_evenly_spaced_rows(count: int, expected: int) -> None:
    rows = document_rows(source("melody", [1] * 9), 8, None)
    spread = Spread(rows, count)
    assert len(spread) == expected
    chosen = [int(row.ids[1]) for row in every(spread)]
    assert len(set(chosen)) == expected
    assert chosen[0] == int(rows.draw(0, 0).ids[1])
    if expected > 1:
        assert chosen[-1] == int(rows.draw(8, 0).ids[1])


@given(lengths=lengths_of, prompt=st.none() | st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_the_longest_document_counts_markers_and_end(lengths: list[int], prompt: int | None) -> None:
    corpus = source("melody", lengths, [prompt] * len(lengths))
    whole = [SEQUENCES.closed(corpus.segments(i, conditional=True)).ids for i in range(len(lengths))]
    assert longest_document(corpus) == max(map(len, whole))
    assert corpus.target_lengths() == (min(lengths), max(lengths))


@given(weights=st.lists(st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0, 1.5, 3.0]), min_size=1, max_size=4))
def test_parts_are_seen_as_often_as_their_source_weighs(weights: list[float]) -> None:
    count = 40
    each = np.repeat(np.asarray(weights), count)
    payloads = [np.arange(3)] * len(each)
    source = TokenSource("text", payloads, [None] * len(each), np.zeros(len(each), np.bool_), each)
    times = np.bincount(source.training_parts(), minlength=len(each)).reshape(len(weights), count)
    assert times.min() >= 1
    assert times.sum(1) == pytest.approx(count * np.asarray(weights) / min(weights), abs=1)


def test_what_is_held_out_is_never_learned_whatever_it_weighs() -> None:
    held_out = np.asarray([False, True, False])
    source = TokenSource("text", [np.arange(3)] * 3, [None] * 3, held_out, np.asarray([1.0, 5.0, 2.0]))
    assert source.training_parts().tolist() == [0, 2, 2]
