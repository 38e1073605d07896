"""Near-duplicates: signatures nominate, payloads decide; lines that many documents share."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft_text.boilerplate import SharedLines, hash_line
from weft_text.near import SimilarTexts
from weft_text.options import TextOptions
from weft_text.preparer import TextPreparer
from weft_text.shingles import shingle, shingle_set

WORD = st.text(alphabet="abcé東ß", min_size=1, max_size=4)
TEXT = st.lists(WORD, max_size=12).map(" ".join)
NEAR = SimilarTexts(0.5)


def document(seed: int, words: int = 80) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(words)]


def candidates(a: str, b: str) -> bool:
    mine, theirs = NEAR.sign([a, b])
    return bool(np.intersect1d(mine.keys, theirs.keys).size)


@given(texts=st.lists(st.one_of(TEXT, st.text(max_size=30)), min_size=1, max_size=6), words=st.integers(1, 4))
def test_hashes_are_as_many_and_as_equal_as_the_shingles(texts: list[str], words: int) -> None:
    found = shingle(texts, words)
    sets = [set(found.hashes[low:high].tolist()) for low, high in zip(found.offsets, found.offsets[1:], strict=False)]
    assert [len(each) for each in sets] == [len(shingle_set(text, words)) for text in texts]
    for a, one in zip(texts, sets, strict=True):
        for b, other in zip(texts, sets, strict=True):
            assert len(one & other) == len(shingle_set(a, words) & shingle_set(b, words))


@settings(deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=8))
def test_a_signature_does_not_depend_on_the_batch(texts: list[str]) -> None:
    together = NEAR.sign(texts)
    for text, signature in zip(texts, together, strict=True):
        (alone,) = NEAR.sign([text])
        assert np.array_equal(alone.keys, signature.keys)
        assert np.array_equal(alone.sketch, signature.sketch)


@given(a=TEXT, b=TEXT)
def test_the_same_is_symmetric_and_a_text_is_itself(a: str, b: str) -> None:
    assert NEAR.same(a, b) == NEAR.same(b, a)
    assert NEAR.same(a, a) == bool(a.strip())
    assert NEAR.same(a, a.upper().replace(" ", " ,\n")) == bool(a.strip())


def test_batches_are_cut_by_size_and_nothing_is_lost() -> None:
    texts = [" ".join(document(seed, 4000)) for seed in range(30)]
    signatures = NEAR.sign([*texts, "", texts[0]])
    assert len(signatures) == 32
    assert signatures[30].keys.size == 0
    assert np.array_equal(signatures[31].keys, signatures[0].keys)
    assert {signature.sketch.shape for signature in signatures} == {(16,)}


def changed(words: list[str], kind: str) -> str:
    if kind == "replaced":
        return " ".join(word if place % 16 else "other" for place, word in enumerate(words, 8))
    if kind == "cut":
        return " ".join(words[: len(words) * 3 // 4])
    if kind == "framed":
        return "Home | News | Contact\n" + " ".join(words) + "\nAll rights reserved, as ever."
    return " ".join([*words[20:], *words[:20]])


@pytest.mark.parametrize("kind", ["replaced", "cut", "framed", "moved"])
def test_small_changes_are_found_and_confirmed(kind: str) -> None:
    texts = [document(seed) for seed in range(100)]
    pairs = [(" ".join(words), changed(words, kind)) for words in texts]
    assert all(NEAR.same(a, b) for a, b in pairs)
    assert sum(candidates(a, b) for a, b in pairs) >= 97
    signatures = [NEAR.sign(pair) for pair in pairs]
    assert all(NEAR.close(a.sketch, b.sketch[None]).all() for a, b in signatures)


def test_other_texts_are_neither() -> None:
    texts = [" ".join(document(seed)) for seed in range(60)]
    signatures = NEAR.sign(texts)
    keys = np.concatenate([signature.keys for signature in signatures])
    assert len(np.unique(keys)) == len(keys)
    sketches = np.stack([signature.sketch for signature in signatures])
    assert NEAR.close(sketches[0], sketches).tolist() == [True] + [False] * 59
    assert not any(NEAR.same(texts[0], text) for text in texts[1:])


def test_templates_with_another_number_are_not_the_same() -> None:
    assert not NEAR.same("number 3 is a number like others", "number 4 is a number like others")


def test_writing_without_spaces_is_compared_by_characters() -> None:
    text = "東京は日本の首都であり、人口は世界でもっとも多い都市のひとつである。"
    assert NEAR.same(text, text.replace("、", ""))
    assert NEAR.same(text, text[:-6])
    assert not NEAR.same(text, "大阪は西日本の中心にある大きな町で、商人の町として知られている。")


def test_the_longest_is_best_and_similarity_is_an_option() -> None:
    assert NEAR.rank(weft.Sample("longer")) > NEAR.rank(weft.Sample("short"))
    assert TextPreparer(TextOptions(near=0)).near() is None
    strict = TextPreparer(TextOptions(near=0.95)).near()
    words = document(1)
    assert strict is not None
    assert not strict.same(" ".join(words), changed(words, "cut"))


def test_shared_lines_are_left_out() -> None:
    shared = SharedLines(None)
    assert [shared.limit(count) for count in (1, 100, 3000, 3001, 1_000_000)] == [3, 3, 3, 4, 1000]
    assert SharedLines(7).limit(1_000_000) == 7
    page = "HOME |  News\n\nA story of its own.\n  home | news  \nAnd more of it.\n\nAll rights reserved\n"
    parts = shared.parts(page)
    assert parts.dtype == np.uint64
    assert len(parts) == len(set(parts.tolist())) == 4
    assert set(parts.tolist()) >= {hash_line("home | news"), hash_line("all rights reserved")}
    kept = shared.without(page, {hash_line("home | news"), hash_line("All rights reserved")})
    assert kept == "A story of its own.\nAnd more of it."
    assert shared.without(page, set()) == page.strip("\n")


def test_shared_lines_are_for_the_web_or_where_asked() -> None:
    on = [TextOptions(quality="web"), TextOptions(boilerplate=5)]
    off = [TextOptions(), TextOptions(quality="web", boilerplate=0)]
    assert all(TextPreparer(options).boilerplate() is not None for options in on)
    assert all(TextPreparer(options).boilerplate() is None for options in off)
