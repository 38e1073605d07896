"""The order of several corpora: exact shares, an epoch a corpus, and a function of the position alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.training.data import CONDITION_DROP, TokenSource
from weft.training.mixture import BLOCK, MixtureOrder, apportion, drawing_of, held_out_of
from weft.training.shares import check_mix, parse_mix

VOCABULARY = Vocabulary.build({"text": 3000, "image": 500, "audio": 500})
SEQUENCES = Sequences(VOCABULARY)
CONTEXT = 32

counts_of = st.lists(st.integers(1, 3000), min_size=1, max_size=5)
seeds = st.integers(0, 2**40)


def corpus(
    modality: str, lengths: Sequence[int], prompt: int | None = None, held_out: int = 0, first: int = 0
) -> TokenSource:
    """Payload ``i`` is ``lengths[i]`` times the id ``first + i``, so that a row tells what it is of."""
    payloads = [np.full(length, first + place) for place, length in enumerate(lengths)]
    prompts = [None if prompt is None else np.full(prompt, 1000 + first + place) for place in range(len(lengths))]
    mask = np.arange(len(lengths)) >= len(lengths) - held_out
    return TokenSource(modality, payloads, prompts, mask)


def three() -> list[TokenSource]:
    return [
        corpus("text", [400] * 5, held_out=1),
        corpus("image", [20] * 40, prompt=3, held_out=4),
        corpus("audio", [8, 12] * 15, prompt=2, held_out=6, first=100),
    ]


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[int], MixtureOrder]:
    counts = draw(counts_of)
    rates = draw(st.lists(st.floats(1e-4, 1), min_size=len(counts), max_size=len(counts)))
    return counts, MixtureOrder(counts, np.asarray(rates) / sum(rates), draw(seeds))


def strand_of(row: int, counts: Sequence[int]) -> int:
    return int(np.searchsorted(np.cumsum(counts), row, side="right"))


@given(case=orders(), block=st.integers(0, 2000))
@settings(max_examples=12, deadline=None)
def test_every_block_holds_the_same_number_of_rows_of_each(case: tuple[list[int], MixtureOrder], block: int) -> None:
    counts, order = case
    found = Counter(strand_of(order.at(block * BLOCK + i)[0], counts) for i in range(BLOCK))
    assert [found[strand] for strand in range(len(counts))] == order.per_block.tolist()


@given(rates=st.lists(st.floats(1e-6, 1), min_size=1, max_size=9), total=st.integers(9, 5000))
def test_shares_are_exact_to_the_nearest_row(rates: list[float], total: int) -> None:
    wanted = np.asarray(rates) / sum(rates) * total
    counts = apportion(np.asarray(rates), total)
    assert counts.sum() == total
    assert counts.min() >= 1
    if wanted.min() >= 1:
        assert np.abs(counts - wanted).max() < 1


@given(case=orders(), blocks=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_in_an_epoch_of_a_corpus_each_of_its_rows_comes_once(case: tuple[list[int], MixtureOrder], blocks: int) -> None:
    counts, order = case
    seen: dict[tuple[int, int], list[int]] = {}
    for position in range(blocks * BLOCK):
        row, epoch = order.at(position)
        seen.setdefault((strand_of(row, counts), epoch), []).append(row)
    for strand, count in enumerate(counts):
        epochs = [seen[key] for key in sorted(key for key in seen if key[0] == strand)]
        assert all(len(set(rows)) == count for rows in epochs[:-1])
        assert len(set(epochs[-1])) == len(epochs[-1]) <= count


@given(case=orders(), positions=st.lists(st.integers(0, 10**7), min_size=1, max_size=30), seed=seeds)
@settings(max_examples=12, deadline=None)
def test_what_comes_depends_on_seed_and_position_alone(
    case: tuple[list[int], MixtureOrder], positions: list[int], seed: int
) -> None:
    counts, order = case
    rates = order.per_block / BLOCK
    one, two = MixtureOrder(counts, rates, seed), MixtureOrder(counts, rates, seed)
    assert [one.at(p) for p in positions] == list(reversed([two.at(p) for p in reversed(positions)]))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_the_positions_of_a_batch(processes: int) -> None:
    """However a batch is dealt out, together the processes see what one alone would."""
    batch = 12
    alone = drawing_of(three(), SEQUENCES, CONTEXT, seed=3, reverse=0.5)
    dealt = [drawing_of(three(), SEQUENCES, CONTEXT, seed=3, reverse=0.5) for _ in range(processes)]
    for step in range(40):
        expected = [alone.rows.draw(*alone.order.at(step * batch + i)).ids.tolist() for i in range(batch)]
        found = {
            i: each.rows.draw(*each.order.at(step * batch + i)).ids.tolist()
            for rank, each in enumerate(dealt)
            for i in range(rank, batch, processes)
        }
        assert [found[i] for i in range(batch)] == expected


def test_batches_hold_about_their_shares_too() -> None:
    order = MixtureOrder([500, 500, 500], [0.5, 0.3, 0.2], 1)
    for start in range(0, 4000, 100):
        found = Counter(strand_of(order.at(start + i)[0], [500, 500, 500]) for i in range(100))
        assert all(abs(found[strand] - wanted) <= 4 for strand, wanted in enumerate((50, 30, 20)))


@pytest.mark.parametrize("mix", [{"text": 1, "image": 2, "audio": 1}, {"text": 5, "image": 1, "audio": 0.5}])
@pytest.mark.parametrize("reverse", [0.0, 0.3, 0.5])
def test_shares_are_of_target_tokens(mix: dict[str, float], reverse: float) -> None:
    drawing = drawing_of(three(), SEQUENCES, CONTEXT, seed=0, mix=mix, reverse=reverse)
    learned: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for position in range(BLOCK):
        row = drawing.rows.draw(*drawing.order.at(position))
        learned[row.modality] += int(row.learned[1:].sum())
        rows[row.modality] += 1
    total = sum(learned[name] for name in mix)
    for name, share in mix.items():
        assert learned[name] / total == pytest.approx(share / sum(mix.values()), rel=0.02)
    for name in ("image", "audio"):
        assert rows[f"{name}-to-text"] / (rows[name] + rows[f"{name}-to-text"]) == pytest.approx(reverse, abs=0.01)


def test_without_a_mixture_every_row_comes_equally_often() -> None:
    drawing = drawing_of(three(), SEQUENCES, CONTEXT, seed=0)
    epoch = [drawing.order.at(position)[0] for position in range(len(drawing.rows))]
    assert sorted(epoch) == list(range(len(drawing.rows)))
    backward = drawing_of(three(), SEQUENCES, CONTEXT, seed=0, reverse=0.5)
    assert backward.rates == pytest.approx([len(strand.rows) / len(backward.rows) for strand in backward.strands])
    assert drawing.epoch == pytest.approx(len(drawing.rows))
    assert backward.epoch == pytest.approx(len(backward.rows))


def test_corpora_of_one_modality_share_it_row_by_row() -> None:
    sources = [corpus("image", [10] * 30), corpus("image", [10] * 10, first=30), corpus("text", [100] * 10)]
    drawing = drawing_of(sources, SEQUENCES, CONTEXT, seed=0, mix={"image": 1, "text": 1})
    assert drawing.rates[0] == pytest.approx(3 * drawing.rates[1])
    tokens = drawing.target_tokens(round(drawing.epoch))
    assert tokens["image"] == pytest.approx(tokens["text"], rel=0.05)
    assert sum(tokens.values()) == pytest.approx(40 * 11 + 10 * 101, rel=0.05)


def test_a_reversed_document_ends_in_its_caption() -> None:
    drawing = drawing_of([corpus("image", [20] * 40, prompt=3)], SEQUENCES, CONTEXT, seed=5, reverse=0.5)
    image, text = VOCABULARY.block("image")[0], VOCABULARY.block("text")[0]
    rows = [drawing.rows.draw(index, 0) for index in range(40, 80)]
    dropped = 0
    for place, row in enumerate(rows):
        caption = [*[text + 1000 + place] * 3, VOCABULARY.end_id]
        assert row.modality == "image-to-text"
        assert row.ids[row.learned].tolist() == caption
        condition = [VOCABULARY.marker_id("image"), *[image + place] * 20, VOCABULARY.marker_id("text")]
        dropped += row.ids[0] != condition[0]
        assert row.ids.tolist() in ([*condition, *caption], [condition[-1], *caption])
    assert 0 < dropped < 40 * 3 * CONDITION_DROP
    again = drawing_of([corpus("image", [20] * 40, prompt=3)], SEQUENCES, CONTEXT, seed=5, reverse=0.5)
    assert all(np.array_equal(again.rows.draw(40 + i, 0).ids, row.ids) for i, row in enumerate(rows))


def test_what_has_no_caption_is_not_reversed() -> None:
    mixed = corpus("image", [20] * 4, prompt=3)
    mixed = TokenSource("image", mixed.payloads, [None, *mixed.prompts[1:]], mixed.held_out)
    answers = corpus("text", [9] * 4, prompt=3)
    drawing = drawing_of([mixed, answers], SEQUENCES, CONTEXT, seed=0, reverse=0.5)
    assert [(strand.task, len(strand.rows)) for strand in drawing.strands] == [
        ("image", 4), ("text", 4), ("image-to-text", 3),
    ]  # fmt: skip
    with pytest.raises(weft.OptionError, match=r"reverse is 0\.5, but no corpus has captions"):
        drawing_of([answers], SEQUENCES, CONTEXT, seed=0, reverse=0.5)


def test_what_is_evaluated_on_is_of_the_same_mixture() -> None:
    mix = {"text": 1, "image": 1, "audio": 2}
    rows = held_out_of(three(), SEQUENCES, CONTEXT, tokens=500, mix=mix, reverse=0.5)
    found = Counter(rows.draw(index, 0).modality for index in range(len(rows)))
    assert set(found) == {"text", "image", "audio", "image-to-text", "audio-to-text"}
    assert found["audio"] == found["audio-to-text"] == 6  # all that are held out
    assert 0 < found["image-to-text"] <= found["image"] < 4
    one = held_out_of(three(), SEQUENCES, CONTEXT, tokens=1, mix=mix, reverse=0.5)
    assert len(one) == 5


def test_what_is_evaluated_on_may_lack_a_modality() -> None:
    sources = [corpus("text", [400] * 5), corpus("image", [20] * 40, held_out=4)]
    rows = held_out_of(sources, SEQUENCES, CONTEXT, tokens=200, mix={"text": 1, "image": 1})
    assert {rows.draw(index, 0).modality for index in range(len(rows))} == {"image"}
    assert len(held_out_of(sources[:1], SEQUENCES, CONTEXT, tokens=200, mix={"text": 1})) == 0


class TestRefusals:
    def test_what_is_typed(self) -> None:
        assert parse_mix("text=1, image=2,audio=0.5") == {"text": 1.0, "image": 2.0, "audio": 0.5}
        assert parse_mix({"text": 1, "image": "2"}) == {"text": 1.0, "image": 2.0}  # type: ignore[dict-item]

    @pytest.mark.parametrize(
        ("mix", "said"),
        [
            ("text", "text has no number for a share"),
            ("text=much", "text has no number for a share"),
            ("", "a modality has no number for a share"),
            ("text=1,image=-1", "share of image in the mixture must be above 0, and finite, got -1"),
            ("text=0,image=0", "share of text in the mixture must be above 0, and finite, got 0"),
            ("text=inf", "must be above 0, and finite, got inf"),
            ("text=nan", "must be above 0, and finite, got nan"),
            ("text=1,text=2", "the mixture names text twice"),
        ],
    )
    def test_shares_that_are_none(self, mix: str, said: str) -> None:
        with pytest.raises(weft.OptionError, match=said):
            parse_mix(mix)

    def test_modalities_that_are_not_there(self) -> None:
        with pytest.raises(
            weft.OptionError, match=r"names audio, but no corpus of audio is given; shares are of modalities \(text, im"
        ):
            check_mix({"text": 1, "audio": 1}, ["text", "image", "text"])
        with pytest.raises(weft.OptionError, match="says nothing of image; give each of text, image a share"):
            check_mix({"text": 1}, ["text", "image"])

    @pytest.mark.parametrize("reverse", [-0.1, 1.0, float("nan")])
    def test_reversed_documents_alone(self, reverse: float) -> None:
        with pytest.raises(weft.OptionError, match="reverse must be at least 0 and below 1"):
            drawing_of(three(), SEQUENCES, CONTEXT, seed=0, reverse=reverse)

    def test_nothing_to_learn_from(self) -> None:
        sources = [corpus("text", [400] * 5, held_out=5), corpus("image", [20] * 40)]
        with pytest.raises(weft.OptionError, match="gives text a share, but nothing of it is in the training part"):
            drawing_of(sources, SEQUENCES, CONTEXT, seed=0, mix={"text": 1, "image": 1})


def test_looking_up_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A permutation is made once an epoch, however often rows are looked up."""
    made: list[int] = []
    generator = np.random.default_rng

    def counted(keys: object) -> np.random.Generator:
        made.append(1)
        return generator(keys)  # type: ignore[arg-type]

    order = MixtureOrder([100, 1000], [0.5, 0.5], 0)
    monkeypatch.setattr(np.random, "default_rng", counted)
    epochs = [order.at(position)[1] for position in range(BLOCK)]
    changes = sum(a != b for a, b in pairwise(sorted(epochs)))
    assert changes == 20
    assert len(made) < 30
