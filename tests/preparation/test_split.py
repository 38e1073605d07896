"""What is held out."""

from __future__ import annotations

from typing import Any

import pytest

from weft.preparation.split import held_out_count, hold_out

NAMES = [f"{i}.mel" for i in range(50)]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 1), (10, 1), (19, 2), (50, 5), (1000, 100)])
def test_a_tenth_but_at_least_one_of_two(count: int, expected: int) -> None:
    assert held_out_count(count) == expected


def test_the_choice_depends_on_names_and_seed_alone() -> None:
    chosen = hold_out(NAMES, 0)
    assert len(chosen) == 5
    assert hold_out(list(reversed(NAMES)), 0) == chosen
    assert hold_out(NAMES, 1) != chosen


def test_one_more_item_moves_few_others() -> None:
    assert len(hold_out([*NAMES, "new.mel"], 0) & hold_out(NAMES, 0)) >= 4


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
