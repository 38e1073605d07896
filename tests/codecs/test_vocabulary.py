"""The id table: ids never move, growth appends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs.vocabulary import END, Vocabulary, marker
from weft.errors import FolderError, GenerationError

names = st.sampled_from(["text", "image", "audio", "melody", "glyph"])
sizes_of = st.dictionaries(names, st.integers(1, 50), min_size=1)


def ids(vocabulary: Vocabulary) -> list[int]:
    blocks = [i for offset, size in vocabulary.blocks.values() for i in range(offset, offset + size)]
    return [*vocabulary.specials.values(), *blocks]


@given(sizes=sizes_of)
@settings(max_examples=50, deadline=None)
def test_every_id_has_exactly_one_meaning(sizes: dict[str, int]) -> None:
    vocabulary = Vocabulary.build(sizes)
    assert sorted(ids(vocabulary)) == list(range(vocabulary.size))
    assert {name: size for name, (_, size) in vocabulary.blocks.items()} == sizes
    assert set(vocabulary.specials) == {END, *map(marker, sizes)}


@given(first=sizes_of, second=sizes_of)
@settings(max_examples=50, deadline=None)
def test_growth_appends_and_moves_nothing(first: dict[str, int], second: dict[str, int]) -> None:
    before = Vocabulary.build(first)
    after = before.grown(second)
    assert dict(before.specials).items() <= dict(after.specials).items()
    assert dict(before.blocks).items() <= dict(after.blocks).items()
    assert set(after.blocks) == {*first, *second}
    new = set(ids(after)) - set(ids(before))
    assert new == set(range(before.size, after.size))
    assert after.grown(second) == after


@given(first=sizes_of, second=sizes_of)
@settings(max_examples=30, deadline=None)
def test_it_comes_back_from_json(first: dict[str, int], second: dict[str, int]) -> None:
    vocabulary = Vocabulary.build(first).grown(second)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again == vocabulary
    assert again.size == vocabulary.size


def test_what_is_asked_for_by_name() -> None:
    vocabulary = Vocabulary.build({"text": 300, "melody": 12})
    assert vocabulary.block("melody") == (vocabulary.block("text")[0] + 300, 12)
    assert vocabulary.end_id == vocabulary.specials[END]
    assert vocabulary.marker_id("text") != vocabulary.marker_id("melody")


def test_a_modality_that_the_run_does_not_know() -> None:
    vocabulary = Vocabulary.build({"text": 3, "melody": 3})
    for ask in (vocabulary.block, vocabulary.marker_id):
        with pytest.raises(GenerationError, match="knows no image; it was trained on melody, text"):
            ask("image")


@pytest.mark.parametrize(
    "table",
    [
        {"specials": {END: 0, "<|a|>": 0}, "blocks": {"a": [1, 5]}},
        {"specials": {END: 0, "<|a|>": 1}, "blocks": {"a": [1, 5]}},
        {"specials": {END: 0, "<|a|>": 1, "<|b|>": 2}, "blocks": {"a": [3, 5], "b": [7, 2]}},
        {"specials": {END: 0, "<|a|>": 1}, "blocks": {"a": [2, -5]}},
        {"specials": {END: -1, "<|a|>": 1}, "blocks": {"a": [2, 5]}},
        {"specials": {END: 0}, "blocks": {"a": [2, 5]}},
        {"specials": {"<|a|>": 0}, "blocks": {"a": [2, 5]}},
        {"specials": {}, "blocks": {}},
        {"specials": {END: 0, "<|a|>": 1}, "blocks": {"a": [2]}},
        {"specials": {END: "x"}, "blocks": {}},
        {"specials": None, "blocks": {}},
        {"blocks": {}},
        {},
        None,
        [],
    ],
)
def test_a_damaged_table_is_said_to_be_damaged(table: Any) -> None:
    with pytest.raises(FolderError, match=r"vocabulary.* is corrupt"):
        Vocabulary.from_json(table)
