"""Beginning from the weights of another run: rows of new ids, longer contexts, what is inherited, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.codecs.vocabulary import Vocabulary
from weft.models.config import ModelConfig
from weft.models.transformer import Transformer
from weft.storage.run import Direction, RunFolder, RunManifest, StartEntry
from weft.training.starting import Start, check_adapters, check_size, inherited, started_model, with_mean_rows

TEXT = Vocabulary.build({"text": 40})
SHAPE = ModelConfig(
    vocab_size=TEXT.size, context_length=16, layers=2, width=32, heads=2, kv_heads=1, head_size=16, hidden=64
)


def manifest(modality: str = "text", **fields: object) -> RunManifest:
    told = RunManifest(
        settings={"size": "nano"},
        model=SHAPE.to_json(),
        vocabulary=TEXT.to_json(),
        modalities=[modality],
        lengths={modality: (3, 9)},
        corpora=[],
        conditional=[],
        codecs={modality: modality},
        weft="1",
    )
    return replace(told, **fields)  # type: ignore[arg-type]


def start(told: RunManifest | None = None) -> Start:
    folder = RunFolder(Path("runs/before"), told or manifest())
    return Start(folder, SHAPE, TEXT, StartEntry("before", 7, "abc"))


@given(old=st.integers(1, 9), new=st.integers(0, 9), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_new_rows_are_the_mean_of_the_old(old: int, new: int, width: int, seed: int) -> None:
    table = torch.randn(old, width, generator=torch.Generator().manual_seed(seed))
    grown = with_mean_rows(table, old + new)
    assert grown.shape == (old + new, width)
    assert torch.equal(grown[:old], table)
    torch.testing.assert_close(grown[old:], table.mean(0).expand(new, -1))


class TestShape:
    def test_old_ids_mean_what_they_meant(self) -> None:
        """Ids never move: a larger vocabulary and a longer context leave the logits of the old ids as they are."""
        torch.manual_seed(1)
        before = Transformer(SHAPE).eval()
        with torch.no_grad():
            for parameter in before.parameters():
                parameter.normal_(std=0.2)
        vocabulary = TEXT.grown({"text": 40, "image": 100})
        shape = started_model(start(), vocabulary, 64, 0.0, None)
        after = Transformer(shape).eval()
        weights = before.state_dict()
        weights["embedding.weight"] = with_mean_rows(weights["embedding.weight"], vocabulary.size)
        after.load_state_dict(weights)
        ids = torch.arange(16).unsqueeze(0)
        with torch.no_grad():
            torch.testing.assert_close(after(ids)[..., : TEXT.size], before(ids))
            assert torch.isfinite(after(torch.zeros(1, 64, dtype=torch.int64))).all()
        assert vocabulary.block("text") == TEXT.block("text")

    def test_the_rest_is_that_of_the_run(self) -> None:
        shape = started_model(start(), TEXT, 16, 0.1, 2)
        assert shape == replace(SHAPE, dropout=0.1, adapter_rank=2)

    def test_another_size_is_refused(self) -> None:
        check_size(start(), None)
        check_size(start(), "nano")
        with pytest.raises(weft.OptionError, match="'micro' is not that of runs/before, which is 'nano'"):
            check_size(start(), "micro")


class TestAdapters:
    def test_none_are_asked_for(self) -> None:
        check_adapters({}, None, TEXT)

    @pytest.mark.parametrize("rank", [1, 31])
    def test_a_rank_below_the_width(self, rank: int) -> None:
        check_adapters({"lora": rank}, start(), TEXT)

    @pytest.mark.parametrize("rank", [0, -1, 32])
    def test_a_rank_that_is_none(self, rank: int) -> None:
        with pytest.raises(weft.OptionError, match=f"lora must be a rank from 1 to 31.*got {rank}"):
            check_adapters({"lora": rank}, start(), TEXT)

    def test_nothing_to_adapt(self) -> None:
        with pytest.raises(weft.OptionError, match="name a run by --init-from"):
            check_adapters({"lora": 4}, None, TEXT)

    def test_another_optimizer(self) -> None:
        check_adapters({"lora": 4, "optimizer": "adamw"}, start(), TEXT)
        with pytest.raises(weft.OptionError, match="moved by adamw"):
            check_adapters({"lora": 4, "optimizer": "muon"}, start(), TEXT)

    def test_new_ids_need_all_weights(self) -> None:
        with pytest.raises(weft.OptionError, match=r"runs/before knows no image.*leave --lora out"):
            check_adapters({"lora": 4}, start(), TEXT.grown({"image": 9}))


class TestInherited:
    def test_what_the_run_could_do_besides(self) -> None:
        before = manifest(
            modalities=["text", "image"],
            lengths={"text": (1, 5), "image": (64, 64)},
            conditional=["image"],
            preparation={"image": {"image.size": 32}},
        )
        now = inherited(start(before), manifest())
        assert now.modalities == ["text", "image"]
        assert now.lengths == {"text": (3, 9), "image": (64, 64)}
        assert now.conditional == ["image"]
        assert now.known_directions == [Direction("text", "image", (64, 64))]
        assert now.preparation == {"image": {"image.size": 32}}
        assert now.started_from == StartEntry("before", 7, "abc")

    def test_what_the_new_corpora_say_comes_first(self) -> None:
        """Of a modality that is learned again, prompts are followed if the new corpora have some."""
        before = manifest(conditional=["text"], preparation={"text": {"text.mode": "lines"}})
        now = inherited(start(before), manifest(preparation={"text": {"text.mode": "whole"}}))
        assert now.conditional == []
        assert now.known_directions == []
        assert now.preparation == {"text": {"text.mode": "whole"}}
