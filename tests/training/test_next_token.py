"""The next-token objective: its loss by hand, its figures by modality, and what padding must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.codecs.vocabulary import Vocabulary
from weft.models.config import ModelConfig
from weft.training.data import Row
from weft.training.evaluation import evaluate
from weft.training.next_token import NextTokenTrainer, TrainingContext
from weft.training.parallel import Objective

VOCABULARY = Vocabulary.build({"text": 10, "melody": 6})
BYTES = [1, 1, 1, 2, 2, 3, 1, 4, 1, 1]
CONFIG = ModelConfig(VOCABULARY.size, 32, 1, 16, 2, 1, 8, 32)
TRAINER = NextTokenTrainer(TrainingContext(CONFIG, VOCABULARY, ["melody", "text"], BYTES))


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    model = TRAINER.build_model().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


MODEL = make_model()


@st.composite
def rows(draw: st.DrawFn) -> Row:
    modality = draw(st.sampled_from(["text", "melody"]))
    offset, size = VOCABULARY.block(modality)
    count = draw(st.integers(1, 12))
    tokens = draw(st.lists(st.integers(offset, offset + size - 1), min_size=count, max_size=count))
    learned = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    ids = [VOCABULARY.marker_id(modality), *tokens, VOCABULARY.end_id]
    return Row(np.array(ids, dtype=np.int64), np.array([False, *learned, True]), modality)


def by_hand(row: Row) -> tuple[float, int]:
    """Summed negative log probability of the learned ids of one row, alone, and their number."""
    log_probabilities = MODEL(torch.from_numpy(row.ids)[None, :-1])[0].float().log_softmax(1)
    wanted = [place for place in range(1, len(row.ids)) if row.learned[place]]
    return -float(sum(log_probabilities[place - 1, row.ids[place]] for place in wanted)), len(wanted)


def utf8_bytes(row: Row) -> int:
    offset, _ = VOCABULARY.block("text")
    return sum(BYTES[i - offset] for i in row.ids[row.learned] if i != VOCABULARY.end_id)


@given(batch=st.lists(rows(), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_loss_is_the_sum_over_learned_ids_whatever_the_neighbors(batch: list[Row]) -> None:
    loss = TRAINER.loss(MODEL, TRAINER.collate(batch))
    expected = [by_hand(row) for row in batch]
    assert float(loss.total) == pytest.approx(sum(total for total, _ in expected), rel=1e-4)
    assert loss.weight == sum(weight for _, weight in expected)


@given(data=st.lists(rows(), min_size=1, max_size=9), batch_size=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_figures_are_by_modality_and_bits_are_per_byte_of_text(data: list[Row], batch_size: int) -> None:
    class Data(weft.Dataset[Row]):
        def __len__(self) -> int:
            return len(data)

        def draw(self, index: int, epoch: int) -> Row:
            return data[index]

    found = evaluate(Objective(TRAINER, MODEL), TRAINER, Data(), batch_size=batch_size, device=torch.device("cpu"))
    for name in ("text", "melody"):
        mine = [row for row in data if row.modality == name]
        nats, count = (sum(values) for values in zip(*map(by_hand, mine), strict=True)) if mine else (0.0, 0)
        assert found.get(f"{name}/nats_per_token") == (pytest.approx(nats / count, rel=1e-4) if count else None)
        if name == "text":
            size = sum(map(utf8_bytes, mine))
            bits = nats / math.log(2)
            assert found.get("text/bits_per_byte") == (pytest.approx(bits / size, rel=1e-4) if size else None)
    assert "melody/bits_per_byte" not in found
    everything = [by_hand(row) for row in data]
    mean = sum(total for total, _ in everything) / sum(weight for _, weight in everything)
    assert found["loss"] == pytest.approx(mean, rel=1e-4)


def test_evaluation_leaves_everything_as_it_was() -> None:
    class One(weft.Dataset[Row]):
        def __len__(self) -> int:
            return 3

        def draw(self, index: int, epoch: int) -> Row:
            return Row(np.array([0, 2, 3, 1]), np.array([False, True, True, True]), "text")

    model = NextTokenTrainer(
        TrainingContext(ModelConfig(VOCABULARY.size, 32, 1, 16, 2, 1, 8, 32, dropout=0.5), VOCABULARY, ["text"], BYTES)
    ).build_model()
    model.train()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = (
        evaluate(Objective(TRAINER, model), TRAINER, One(), batch_size=2, device=torch.device("cpu")) for _ in range(2)
    )
    assert first == second
    assert model.training
    assert torch.equal(torch.rand(2), expected)
    assert all(parameter.grad is None for parameter in model.parameters())
