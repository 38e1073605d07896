"""What is held out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.preparation.split import held_out_count, hold_out

NAMES = {f"{i}.mel": 1 for i in range(50)}


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 1), (10, 1), (19, 2), (50, 5), (1000, 100)])
def test_a_tenth_but_at_least_one_of_two(count: int, expected: int) -> None:
    assert held_out_count(count) == expected


def test_the_choice_depends_on_names_and_seed_alone() -> None:
    chosen = hold_out(NAMES, 0)
    assert len(chosen) == 5
    assert hold_out(dict(reversed(NAMES.items())), 0) == chosen
    assert hold_out(NAMES, 1) != chosen


def test_one_more_item_moves_few_others() -> None:
    assert len(hold_out({**NAMES, "new.mel": 1}, 0) & hold_out(NAMES, 0)) >= 4


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(0, 9))
def test_whole_items_are_about_a_tenth_or_none_at_all(sizes: list[int], seed: int) -> None:
    chosen = hold_out({str(name): size for name, size in enumerate(sizes)}, seed)
    held, total = sum(sizes[int(name)] for name in chosen), sum(sizes)
    assert held == 0 or total / 20 <= held <= max(1, total / 5)
    assert held < total


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"a": 1, "b": 1}, 1), ({"a": 50}, 0), ({"a": 50, "b": 50}, 0), ({"a": 500, "b": 3}, 0),
        ({"a": 300, "b": 40}, 40), (dict.fromkeys("abcdefghij", 30), 30),
        ({"giant": 100, **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 1)}, 13),
    ],
)  # fmt: skip
def test_how_much_is_held_out_of_few_or_uneven_items(sizes: dict[str, int], expected: int) -> None:
    assert [sum(sizes[name] for name in hold_out(sizes, seed)) for seed in range(5)] == [expected] * 5


def test_all_samples_of_an_item_are_on_one_side(prepare: Any, write: Any) -> None:
    corpus = prepare(write({f"{i}.mel": f"{i} 1\n{i} 2\n{i} 3" for i in range(100, 130)}))
    sides: dict[str, set[str]] = {}
    for row in corpus.verdicts():
        if row["sample"] is not None:
            sides.setdefault(row["item"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert sum(side == {"validation"} for side in sides.values()) == 3
    assert corpus.manifest["held_out"] == "items"


def test_few_items_are_cut_where_they_can_be(prepare: Any, write: Any, registry: Any) -> None:
    texts = {f"{i}.rhyme": f"{i} " + "roses are red " * 10 for i in range(5)}
    corpus = prepare(write({**texts, "tiny.rhyme": "moon"}))
    assert corpus.manifest["held_out"] == "ends of samples"
    samples = list(corpus.samples(registry.payload_format("rhyme")))
    rows = [(row["item"], row["split"]) for row in corpus.verdicts() if row["verdict"] == "kept"]
    assert dict(rows) == {**dict.fromkeys(texts), "tiny.rhyme": "train"}
    whole = ["".join(s.payload for s in samples[i : i + 2]) for i in range(0, 10, 2)]
    assert whole == list(texts.values())
    assert corpus.splits.tolist() == ["train", "validation"] * 5 + ["train"]
    assert all(len(samples[i].payload) < len(samples[i - 1].payload) / 8 for i in range(1, 10, 2))
    assert corpus.manifest["counts"] | {"kept": 6, "parts": 11, "validation": 5} == corpus.manifest["counts"]
    assert corpus.manifest["text_bytes"] == sum(map(len, texts.values())) + 4
    corpus.verify()


def test_many_items_are_never_cut(prepare: Any, write: Any) -> None:
    corpus = prepare(write({f"{i}.rhyme": f"{i} " + "violets are blue " * 5 for i in range(20)}))
    assert corpus.manifest["held_out"] == "items"
    assert corpus.manifest["counts"]["parts"] == 20


def test_samples_of_one_file_are_not_cut_where_there_are_many(prepare: Any, write: Any, registry: Any) -> None:
    lines = [f"rhyme {i} has been written to its very end" for i in range(300)]
    corpus = prepare(write({"all.rhyme": "\n".join(lines)}))
    assert corpus.manifest["held_out"] == "last samples"
    assert [sample.payload for sample in corpus.samples(registry.payload_format("rhyme"))] == lines
    assert corpus.splits.tolist() == ["train"] * 270 + ["validation"] * 30


def test_of_two_large_files_the_last_samples_of_each_are_held_out(prepare: Any, write: Any) -> None:
    files = {f"{name}.rhyme": "\n".join(f"{name} {i} and more of it" for i in range(40)) for name in "ab"}
    corpus = prepare(write(files))
    assert corpus.manifest["held_out"] == "last samples"
    assert corpus.splits.tolist() == (["train"] * 36 + ["validation"] * 4) * 2


def test_of_ten_large_files_one_is_held_out(prepare: Any, write: Any) -> None:
    files = {f"{name}.rhyme": "\n".join(f"{name} {i} and more of it" for i in range(10)) for name in "abcdefghij"}
    corpus = prepare(write(files))
    assert corpus.manifest["held_out"] == "items"
    held_out = {row["item"] for row in corpus.verdicts() if row["split"] == "validation"}
    assert len(held_out) == 1
    assert (corpus.splits == "validation").sum() == 10


def test_an_answer_is_never_cut(prepare: Any, write: Any) -> None:
    lines = "\n".join(f"question {i}|answer {i} that is quite long" for i in range(30))
    corpus = prepare(write({"all.rhyme": lines}))
    assert corpus.manifest["held_out"] == "last samples"
    assert corpus.splits.tolist() == ["train"] * 27 + ["validation"] * 3


def test_two_items_that_cannot_be_cut(prepare: Any, write: Any) -> None:
    corpus = prepare(write({"a.mel": "1 2", "b.mel": "3 4"}))
    assert sorted(corpus.splits.tolist()) == ["train", "validation"]


def test_a_single_sample_holds_nothing_out_and_says_so(prepare: Any, write: Any, reporter: Any) -> None:
    corpus = prepare(write({"a.mel": "1 2"}))
    assert corpus.splits.tolist() == ["train"]
    assert corpus.manifest["held_out"] == "nothing"
    assert any("overfitting" in warning for warning in reporter.warnings)
