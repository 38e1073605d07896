"""Which previews are made, and when."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from weft.codecs.bpe import ByteLevelBPE
from weft.errors import GenerationError
from weft.training.data import TokenSource
from weft.training.previews import LARGEST_SHARE, MakePreviews, PreviewRequest, choose_requests
from weft.training.world import World

CODEC = ByteLevelBPE.fit(["a cat and a dog"], 256)


def source(modality: str, payloads: list[str], prompts: list[str | None], held_out: list[bool]) -> TokenSource:
    encoded = [None if prompt is None else CODEC.encode([prompt])[0] for prompt in prompts]
    return TokenSource(modality, CODEC.encode(payloads), encoded, np.array(held_out))


def prompts(sources: list[TokenSource], count: int) -> list[str | None]:
    return [request.prompt for request in choose_requests(sources, CODEC, count, 5)]


def test_prompts_are_those_of_held_out_samples_that_differ() -> None:
    known = ["one", "two", "two", "three", "four"]
    images = source("image", ["x"] * 5, list(known), [False, True, True, True, True])
    assert prompts([images], 3) == ["two", "three", "four"]
    assert prompts([images], 5) == ["two", "three", "four", "two", "three"]
    assert [each.seed for each in choose_requests([images], CODEC, 3, 5)] == [5, 6, 7]
    assert prompts([images], 0) == []


def test_texts_are_continued_from_whole_words_of_held_out_lines() -> None:
    text = "\n".join(f"line {number} has these nine words and then ends" for number in range(100))
    texts = source("text", ["never shown", text], [None, None], [False, True])
    found = prompts([texts], 3)
    assert len(set(found)) == 3
    for each in found:
        assert each is not None
        assert each in text
        assert each.startswith("line ")
        assert 3 <= len(each.split()) <= 8
        assert set(each.split()) <= set(text.split())


def test_without_captions_there_are_no_prompts() -> None:
    assert prompts([source("image", ["x"], [None], [True])], 2) == [None, None]


class Training:
    """A loop without anything that learns, and a clock."""

    def __init__(self, tmp_path: Path, cost: float, draw: Any = None) -> None:
        self.step, self.steps, self.now, self.made = 0, 100, 0.0, 0
        self.warnings: list[str] = []
        self.cost = cost
        loop: Any = SimpleNamespace(
            model=nn.Linear(1, 1), world=World(), device=torch.device("cpu"), averaged=nullcontext
        )
        self.callback = MakePreviews(
            loop=loop,
            folder=tmp_path / "previews",
            requests=[PreviewRequest("text", None, 0)],
            draw=draw or self.draw,
            title="x",
            show=lambda step, artifacts: None,
            reporter=SimpleNamespace(warn=self.warnings.append),  # type: ignore[arg-type]
            now=lambda: self.now,
        )

    def draw(self, weights: Any, requests: Any) -> list[Any]:
        assert set(weights) == {"weight", "bias"}
        self.now += self.cost
        self.made += 1
        return []

    def run(self, step_seconds: float) -> None:
        training: Any = self
        self.callback.begin(training)
        for step in range(1, self.steps + 1):
            self.step = step
            self.now += step_seconds
            self.callback.after_evaluation(training, {"loss": 1.0})


def test_previews_take_little_of_the_time(tmp_path: Path) -> None:
    dear = Training(tmp_path, cost=3.0)
    dear.run(step_seconds=10)
    assert 3 < dear.made < 10
    # The last is made in any case.
    assert (dear.made - 1) * dear.cost <= LARGEST_SHARE * dear.now
    cheap = Training(tmp_path, cost=0.01)
    cheap.run(step_seconds=10)
    assert cheap.made == 100


def test_the_first_and_the_last_are_always_made(tmp_path: Path) -> None:
    hasty = Training(tmp_path, cost=50.0)
    hasty.run(step_seconds=0.01)
    assert hasty.made == 2


def test_what_cannot_be_made_is_told_once_and_training_goes_on(tmp_path: Path) -> None:
    def fail(weights: Any, requests: Any) -> list[Any]:
        raise GenerationError("the prompt is too long")

    training = Training(tmp_path, 0.0, fail)
    training.run(step_seconds=10)
    assert training.warnings == ["no previews are made any more: the prompt is too long"]


def test_random_numbers_that_previews_draw_are_their_own(tmp_path: Path) -> None:
    def greedy(weights: Any, requests: Any) -> list[Any]:
        torch.rand(3)
        return []

    training = Training(tmp_path, 0.0, greedy)
    before = torch.get_rng_state()
    training.run(step_seconds=1)
    assert torch.equal(torch.get_rng_state(), before)
