"""One item explained: found by what a person would type, and told with its numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.errors import SourceError
from weft.preparation.report.find import LeftOut, find_item
from weft.preparation.report.tell import tell
from weft.preparation.report.why import Explanation
from weft.storage.corpus import CorpusFolder

NAMES = pa.array(["a/one.png", "a/two.png", "b/one.png", "photos:three.png", "café.png", "x#1"])


def words(explanation: Explanation) -> str:
    return "\n".join(tell(explanation))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a/one.png", "a/one.png"),
        ("./a/one.png", "a/one.png"),
        ("photos/a/two.png", "a/two.png"),
        ("/somewhere/else/b/one.png", "b/one.png"),
        ("two.png", "a/two.png"),
        ("three.png", "photos:three.png"),
        ("wo.png", "a/two.png"),
        ("cafe\u0301.png", "café.png"),
        ("x#1", "x#1"),
    ],
)
def test_an_item_is_found_by_name_path_or_unique_end(typed: str, expected: str) -> None:
    assert find_item(NAMES, typed, ["photos"]) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("one.png", r"2 items end with one\.png: a/one\.png, b/one\.png; name one"),
        ("a", r"a is no item, but 2 are in it: a/one\.png, a/two\.png"),
        ("a/ones.png", r"no item .* called a/ones\.png; did you mean .*one\.png"),
        ("nothing-like-it", "no item of this corpus is called nothing-like-it; `verdicts"),
        ("", "no item"),
    ],
)
def test_what_is_not_found_is_one_sentence(typed: str, expected: str) -> None:
    with pytest.raises(SourceError, match=expected):
        find_item(NAMES, typed, ["photos"])


@pytest.mark.parametrize("typed", ["README.md", "a/.git/config", "license.txt", "b/metadata.csv", "__MACOSX/a/one.gif"])
def test_what_is_never_offered_is_told_as_such(typed: str) -> None:
    found = find_item(NAMES, typed, ["photos"])
    assert isinstance(found, LeftOut)
    assert found.why


@given(st.lists(st.text("abc/#. ", min_size=1, max_size=6), min_size=1, max_size=12, unique=True), st.data())
def test_every_item_is_found_by_its_own_name(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert find_item(pa.array(names), name, []) == name


def test_a_file_outside_of_the_sources_is_not_taken_for_one_inside(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.png").touch()
    names = pa.array(["one.png"])
    assert find_item(names, str(tmp_path / "in" / "one.png"), [str(tmp_path / "in")]) == "one.png"
    with pytest.raises(SourceError, match="in none of the sources"):
        find_item(names, str(tmp_path / "out" / "one.png"), [str(tmp_path / "in")])
    (tmp_path / "in" / "new.gif").touch()
    with pytest.raises(SourceError, match="in a source now, but was not offered"):
        find_item(names, str(tmp_path / "in" / "new.gif"), [str(tmp_path / "in")])


def test_among_very_many_names_a_similar_one_is_suggested() -> None:
    names = pa.array([f"folder/{number:06d}.png" for number in range(50_000)] + ["folder/hippopotamus.png"])
    with pytest.raises(SourceError, match=r"did you mean folder/hippopotamus\.png"):
        find_item(names, "hipopotamus.png", [])


def test_every_item_of_a_corpus_has_its_story(text_corpus: Path) -> None:
    corpus = weft.Corpus(CorpusFolder.open(text_corpus))
    rows = corpus.folder.verdicts()
    items = [row["item"] for row in rows if row["sample"] is None]
    assert len(items) > 20
    for item in items:
        explanation = corpus.why(item)
        own = [row for row in rows if row["item"] == item and row["sample"] is not None]
        assert explanation.item == item
        assert explanation.samples == len(own) == explanation.kept + sum(explanation.rejected.values())
        assert explanation.kept == sum(row["verdict"] == "kept" for row in own)
        assert words(explanation).startswith(f"{item}: ")


def test_a_kept_sample_is_told_with_its_side_and_tokens(text_corpus: Path) -> None:
    corpus = weft.Corpus(CorpusFolder.open(text_corpus))
    splits = {row["item"]: row["split"] for row in corpus.folder.verdicts() if row["sample"] == 0}
    for name in ("text-01.txt", "text-04.txt"):
        (fate,) = corpus.why(name).each
        assert fate.split == splits[name]
        assert fate.tokens
        side = {"train": "to train on", "validation": "held out for validation"}[fate.split or ""]
        assert f"kept, {side}; it is {fate.tokens} tokens" in words(corpus.why(name))


def test_duplicates_know_of_each_other(text_corpus: Path) -> None:
    corpus = weft.Corpus(CorpusFolder.open(text_corpus))
    fates = {name: corpus.why(name).each[0] for name in ("copy.txt", "text-03.txt")}
    ((rejected_name, rejected), (kept_name, kept)) = sorted(fates.items(), key=lambda pair: pair[1].verdict == "kept")
    assert (rejected.verdict, kept.verdict) == ("rejected", "kept")
    assert rejected.duplicate_of is not None
    assert (rejected.duplicate_of.name, rejected.duplicate_of.verdict) == (f"{kept_name}#0", "kept")
    assert rejected.duplicate_of.split == kept.split
    assert kept.stands_for == 1
    assert f"like {kept_name}, which is kept" in words(corpus.why(rejected_name))
    assert "stands for 1 other that was like it" in words(corpus.why(kept_name))


def test_of_many_samples_a_few_of_each_fate_are_told(text_corpus: Path) -> None:
    corpus = weft.Corpus(CorpusFolder.open(text_corpus))
    whole = corpus.why("lines.jsonl")
    assert (whole.samples, whole.kept, whole.rejected) == (31, 30, {"unreadable": 1})
    assert [fate.sample for fate in whole.each] == [0, 1, 2, 30]
    assert "30 of its 31 samples are kept; 1 rejected: unreadable 1" in words(whole)
    assert words(whole).endswith("--sample N explains one of the others")
    for one in (corpus.why("lines.jsonl", 7), corpus.why("lines.jsonl#7"), corpus.why("deep/lines.jsonl#7", 7)):
        assert [fate.sample for fate in one.each] == [7]
        assert "lines.jsonl#7 is kept" in words(one)
    with pytest.raises(SourceError, match=r"lines\.jsonl has no sample 31: it has 31 samples, counted from 0"):
        corpus.why("lines.jsonl", 31)
    with pytest.raises(SourceError, match="it gave none"):
        corpus.why("binary.xyz", 0)


def test_names_that_are_no_utf8_are_found_as_typed(text_corpus: Path) -> None:
    corpus = weft.Corpus(CorpusFolder.open(text_corpus))
    typed = os.fsdecode(os.fsencode(corpus.folder.sources[0].location) + b"/bad\xff.txt")
    assert corpus.why(typed).item == "bad\\xff.txt" == corpus.why("bad\\xff.txt").item
    assert corpus.why(os.fsdecode(b"bad\xff.txt")).kept == 1


def test_changes_figures_and_excerpts_are_told(text_corpus: Path, changed: Callable[..., CorpusFolder]) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            if (row["item"], row["sample"]) == ("text-01.txt", 0):
                row.update(figures={"words": 30.0, "ratio": 0.123456}, changes=["masked: 2 addresses"])
            if (row["item"], row["sample"]) == ("text-02.txt", 0):
                row.update(
                    verdict="rejected", stage="filter:harm", reason="harmful", detail="it insults", excerpt="lazy\ndog",
                    split=None, duplicate_of=None,
                )  # fmt: skip
            if (row["item"], row["sample"]) == ("text-05.txt", 0):
                row.update(
                    verdict="rejected", stage="deduplicate", reason="excluded", detail="as test#0", split=None,
                    duplicate_of="test#0",
                )  # fmt: skip
        return rows

    corpus = weft.Corpus(changed(text_corpus, change))
    kept = words(corpus.why("text-01.txt"))
    assert "changed: masked: 2 addresses" in kept
    assert "measured: ratio 0.1235, words 30" in kept
    harmful = words(corpus.why("text-02.txt"))
    assert "turned away by the filter harm, as harmful: it insults" in harmful
    assert "the part in question: lazy dog" in harmful
    assert "like test, which is not of this corpus" in words(corpus.why("text-05.txt"))
    (fate,) = corpus.why("text-05.txt").each
    assert fate.duplicate_of is not None
    assert fate.duplicate_of.verdict == "elsewhere"
