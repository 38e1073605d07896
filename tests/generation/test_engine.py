"""The sampler: cached equals uncached, batched equals single, constraints hold, seeds decide."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import weft
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.generation.engine import Engine
from weft.generation.token_generator import PatternRule, TokenGenerator
from weft.interfaces.codec import CodecFacts
from weft.models.config import ModelConfig
from weft.models.transformer import Transformer

VOCABULARY = Vocabulary.build({"text": 20, "melody": 12})
TEXT, MELODY = VOCABULARY.block("text"), VOCABULARY.block("melody")


def model(context: int = 24) -> Transformer:
    torch.manual_seed(0)
    net = Transformer(ModelConfig(VOCABULARY.size, context, 2, 32, 4, 2, 8, 64)).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    return net.requires_grad_(False)


MODEL = model()


def plan(
    prefix: list[int], twin: list[int] | None, steps: int, pattern: tuple[tuple[int, int], ...] = ((0, 12),)
) -> weft.SamplingPlan:
    rule = PatternRule(pattern, MELODY[0], VOCABULARY.size, VOCABULARY.end_id, len(pattern), 0)
    return weft.SamplingPlan(prefix, twin, steps, VOCABULARY.end_id, rule, MELODY)


def draw(job: weft.SamplingPlan, options: weft.SamplingOptions, seeds: list[int]) -> Tensor:
    return torch.stack([step.tokens for step in Engine(MODEL).steps(job, options, seeds)], dim=1)


def naive(job: weft.SamplingPlan, options: weft.SamplingOptions, seed: int) -> list[int]:
    """The definition: no cache, no batch, no padding; the window that the context leaves, read whole at each step."""
    random = torch.Generator().manual_seed(seed)
    context = MODEL.config.context_length
    sequences = [list(job.prefix)] + ([list(job.unconditional)] if job.unconditional is not None else [])
    longest = max(map(len, sequences))
    padding = [longest - len(sequence) for sequence in sequences]
    constraint = job.constraint.start(1)
    drawn: list[int] = []
    length = longest
    for _ in range(job.max_tokens):
        if length > context:
            dropped = length - (context if length == longest and not drawn else context // 2)
            cuts = [max(0, dropped - pad) for pad in padding]
            padding = [max(0, pad - dropped) for pad in padding]
            sequences = [sequence[cut:] for sequence, cut in zip(sequences, cuts, strict=True)]
            length -= dropped
        scores = [MODEL(torch.tensor([sequence]))[0, -1] for sequence in sequences]
        logits = scores[0] if len(scores) == 1 else scores[1] + options.guidance * (scores[0] - scores[1])
        logits = logits.masked_fill(~constraint.allowed()[0], -torch.inf) / options.temperature
        cumulative = logits.softmax(0).cumsum(0)
        point = torch.rand((), generator=random, dtype=torch.float64) * cumulative[-1]
        token = int(torch.searchsorted(cumulative, point, right=True))
        drawn.append(token)
        constraint.advance(torch.tensor([token]))
        for sequence in sequences:
            sequence.append(token)
        length += 1
    return drawn


@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize("steps", [15, 60])
def test_cached_batched_and_padded_equals_the_definition(guidance: float, steps: int) -> None:
    job = plan([20, 1, 2, 3, 4, 5, 21], [21], steps)
    options = weft.SamplingOptions(temperature=0.9, guidance=guidance)
    seeds = [7, 8, 9]
    batch = draw(job, options, seeds)
    for row, seed in enumerate(seeds):
        assert batch[row].tolist() == naive(job, options, seed)


def test_a_prefix_longer_than_the_context_keeps_its_end() -> None:
    job = plan([20, *range(1, 20), *range(1, 20)], None, 10)
    options = weft.SamplingOptions(temperature=1.0)
    assert draw(job, options, [3])[0].tolist() == naive(job, options, 3)


@given(seed=st.integers(0, 1000), n=st.integers(2, 8))
@settings(max_examples=8, deadline=None)
def test_artifact_i_of_a_batch_is_the_single_one_of_its_seed(seed: int, n: int) -> None:
    job = plan([20, 3, 21], [21], 12)
    options = weft.SamplingOptions(temperature=1.2, guidance=1.5, top_p=0.9)
    batch = draw(job, options, list(range(seed, seed + n)))
    last = draw(job, options, [seed + n - 1])
    assert torch.equal(batch[-1], last[0])
    assert torch.equal(batch, draw(job, options, list(range(seed, seed + n))))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_every_drawn_id_follows_the_pattern(seed: int) -> None:
    pattern = ((0, 4), (4, 8), (8, 12))
    rows = draw(plan([21], None, 15, pattern), weft.SamplingOptions(temperature=3.0), [seed, seed + 1])
    for row in rows.tolist():
        length = row.index(VOCABULARY.end_id) if VOCABULARY.end_id in row else len(row)
        assert length % 3 == 0 or length == len(row)
        for position, token in enumerate(row[:length]):
            low, high = pattern[position % 3]
            assert low <= token - MELODY[0] < high


class OverAllIds(weft.LogitsProcessor):
    """A processor of a plugin that keeps the best of all ids, as far as it was told."""

    seen: ClassVar[list[Tensor]] = []

    @classmethod
    def from_options(cls, options: weft.SamplingOptions) -> OverAllIds:
        return cls()

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        self.seen.append(logits)
        return torch.full_like(logits, -torch.inf).scatter(1, logits.argmax(1, keepdim=True), 3.0)


class Excluder(OverAllIds):
    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        return torch.zeros_like(logits).masked_fill(logits > -torch.inf, -torch.inf)


class NoNumber(OverAllIds):
    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        return logits * torch.nan


def drawn_with(kind: type[weft.LogitsProcessor], job: weft.SamplingPlan) -> Tensor:
    steps = Engine(MODEL, [kind]).steps(job, weft.SamplingOptions(temperature=1.0), [1, 2])
    return torch.stack([step.tokens for step in steps], dim=1)


def test_a_processor_of_a_plugin_sees_what_may_follow() -> None:
    OverAllIds.seen.clear()
    rows = drawn_with(OverAllIds, plan([21], None, 6, ((0, 4), (4, 8))))
    for position in range(6):
        low = MELODY[0] + 4 * (position % 2)
        assert all(low <= int(token) < low + 4 or int(token) == VOCABULARY.end_id for token in rows[:, position])
        allowed = [low + i for i in range(4)] + ([] if position % 2 else [VOCABULARY.end_id])
        finite = OverAllIds.seen[position].isfinite()
        assert finite.nonzero()[:, 1].tolist() == sorted(allowed) * 2


@pytest.mark.parametrize("kind", [Excluder, NoNumber])
def test_a_processor_that_leaves_nothing_is_named(kind: type[weft.LogitsProcessor]) -> None:
    with pytest.raises(weft.GenerationError, match=rf"processor \({kind.__name__}\) leaves no id that may follow"):
        drawn_with(kind, plan([21], None, 6))


def test_different_seeds_differ_and_temperature_zero_does_not() -> None:
    job = plan([21], None, 20)
    hot = draw(job, weft.SamplingOptions(temperature=1.0), [1, 2])
    cold = draw(job, weft.SamplingOptions(temperature=0.0), [1, 2])
    assert not torch.equal(hot[0], hot[1])
    assert torch.equal(cold[0], cold[1])


def test_frequencies_are_the_probabilities() -> None:
    job = plan([21], None, 1)
    counts = torch.bincount(draw(job, weft.SamplingOptions(temperature=1.0), list(range(4000)))[:, 0], minlength=35)
    logits = MODEL(torch.tensor([[21]]))[0, -1]
    mask = job.constraint.start(1).allowed()[0]
    expected = logits.masked_fill(~mask, -torch.inf).softmax(0)
    assert (counts / 4000 - expected).abs().max() < 0.03


def test_log_probabilities_are_the_models_own() -> None:
    job = plan([20, 3, 21], [21], 1)
    step = next(Engine(MODEL).steps(job, weft.SamplingOptions(temperature=0.3, guidance=3.0), [4]))
    logits = MODEL(torch.tensor([[20, 3, 21]]))[0, -1]
    allowed = job.constraint.start(1).allowed()[0]
    expected = logits.masked_fill(~allowed, -torch.inf).log_softmax(0)[step.tokens[0]]
    torch.testing.assert_close(step.log_probabilities[0], expected)


def context(facts: CodecFacts, lengths: tuple[int, int]) -> weft.GenerationContext:
    return weft.GenerationContext(facts, Sequences(VOCABULARY), VOCABULARY.size, 64, {"melody": lengths})


class TestTokenGenerator:
    def request(self, **options: object) -> weft.Request:
        return weft.Request("melody", [], weft.SamplingOptions(**options))  # type: ignore[arg-type]

    def test_a_fixed_length_is_kept_exactly(self) -> None:
        facts = CodecFacts(pattern=((0, 12),) * 9, unit=9, length=9)
        assert TokenGenerator().plan(self.request(), context(facts, (9, 9))).max_tokens == 9

    def test_seconds_become_whole_units(self) -> None:
        facts = CodecFacts(pattern=((0, 6), (6, 12)), unit=2, tokens_per_second=10.0)
        assert TokenGenerator().lengths(self.request(seconds=1.11), context(facts, (4, 40))) == (12, 12)

    def test_seconds_beyond_what_was_seen_are_refused(self) -> None:
        facts = CodecFacts(pattern=((0, 6), (6, 12)), unit=2, tokens_per_second=10.0)
        with pytest.raises(weft.GenerationError, match=r"4\.00 s"):
            TokenGenerator().lengths(self.request(seconds=5), context(facts, (4, 40)))

    def test_seconds_of_something_timeless_are_refused(self) -> None:
        with pytest.raises(weft.GenerationError, match="no duration"):
            TokenGenerator().lengths(self.request(seconds=5), context(CodecFacts(pattern=((0, 12),)), (4, 40)))

    def test_what_contradicts_a_fixed_length_is_refused(self) -> None:
        grid = context(CodecFacts(pattern=((0, 12),) * 9, unit=9, length=9), (9, 9))
        clip = context(CodecFacts(pattern=((0, 12),) * 2, unit=2, length=20, tokens_per_second=10.0), (20, 20))
        with pytest.raises(weft.GenerationError, match="no duration"):
            TokenGenerator().lengths(self.request(seconds=5), grid)
        with pytest.raises(weft.GenerationError, match=r"exactly 2\.00 s, not of 1 s; leave out --seconds"):
            TokenGenerator().lengths(self.request(seconds=1), clip)
        with pytest.raises(weft.GenerationError, match="exactly 9 tokens, more than the 8 of --max-tokens"):
            TokenGenerator().lengths(self.request(max_tokens=8), grid)
        assert TokenGenerator().lengths(self.request(max_tokens=9), grid) == (9, 9)
        assert TokenGenerator().lengths(self.request(seconds=2.1, max_tokens=300), clip) == (20, 20)

    def test_fewer_tokens_than_the_seconds_take_are_refused(self) -> None:
        facts = CodecFacts(pattern=((0, 6), (6, 12)), unit=2, tokens_per_second=10.0)
        with pytest.raises(weft.GenerationError, match="exactly 12 tokens, more than the 11 of --max-tokens"):
            TokenGenerator().lengths(self.request(seconds=1.2, max_tokens=11), context(facts, (4, 40)))

    def test_a_prompt_that_leaves_no_room_is_refused(self) -> None:
        import numpy as np

        prompt = weft.EncodedSegment("text", "condition", np.zeros(60, dtype=np.int32))
        request = weft.Request("melody", [prompt], weft.SamplingOptions())
        with pytest.raises(weft.GenerationError, match="shorter prompt"):
            TokenGenerator().plan(request, context(CodecFacts(pattern=((0, 12),)), (4, 40)))
