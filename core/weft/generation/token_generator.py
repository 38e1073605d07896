"""The generator that serves any codec whose facts say what may stand where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from weft.errors import GenerationError
from weft.interfaces.codec import CodecFacts
from weft.interfaces.generator import (
    Constraint,
    ConstraintFactory,
    Creativity,
    GenerationContext,
    Generator,
    Request,
    SamplingOptions,
    SamplingPlan,
)
from weft.interfaces.samples import P


class PatternConstraint(Constraint):
    """Position t takes ids of the codec's pattern at t; the end may come after a whole unit, once long enough.

    All rows are at the same position, so one mask serves them all.
    """

    def __init__(self, rule: PatternRule) -> None:
        self._rule = rule
        self._position = 0

    def allowed(self) -> Tensor:
        rule, position = self._rule, self._position
        mask = torch.zeros((1, rule.vocab_size), dtype=torch.bool)
        low, high = rule.pattern[position % len(rule.pattern)]
        mask[0, rule.offset + low : rule.offset + high] = True
        if position >= rule.shortest and position % rule.unit == 0:
            mask[0, rule.end_id] = True
        return mask

    def advance(self, tokens: Tensor) -> None:
        self._position += 1


@dataclass(frozen=True, slots=True)
class PatternRule(ConstraintFactory):
    """What a :class:`PatternConstraint` obeys.

    Attributes:
        pattern: Half-open ranges of the codec's ids.
        offset: Of the codec's ids in the run's id space.
        vocab_size: Of the run's id space.
        end_id: Ends a document.
        unit: A payload is a multiple of this many tokens.
        shortest: Fewest tokens before the end.
    """

    pattern: tuple[tuple[int, int], ...]
    offset: int
    vocab_size: int
    end_id: int
    unit: int
    shortest: int

    def start(self, rows: int) -> Constraint:
        return PatternConstraint(self)


class TokenGenerator(Generator[P]):
    """Prompt first, then the target, within the lengths that training saw."""

    defaults: ClassVar[SamplingOptions] = SamplingOptions(
        temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0, guidance=1.0
    )
    creativity: ClassVar[Mapping[Creativity, Mapping[str, Any]]] = {
        "precise": {"temperature": 0.5},
        "balanced": {"temperature": 0.8},
        "creative": {"temperature": 1.1},
    }

    def plan(self, request: Request, context: GenerationContext) -> SamplingPlan:
        prefix = context.sequences.open(request.segments, request.modality).ids.tolist()
        conditional = any(segment.role == "condition" for segment in request.segments)
        targets = [segment for segment in request.segments if segment.role == "target"]
        twin = context.sequences.open(targets, request.modality).ids.tolist() if conditional else None
        shortest, longest = self.lengths(request, context)
        # Text goes on beyond the context, but an answer must at least begin while all of its prompt is seen.
        needed = longest if request.modality != "text" else shortest if conditional else 0
        if needed and len(prefix) + needed > context.context_length + 1:
            raise GenerationError(
                f"the prompt takes {len(prefix)} tokens and the {request.modality} needs room for {needed}, more than "
                f"the {context.context_length} that this run was trained for; use a shorter prompt"
            )
        if _describes(request):
            longest = min(longest, context.context_length + 1 - len(prefix))
        offset, size = context.sequences.block(request.modality)
        rule = PatternRule(
            context.facts.pattern, offset, context.vocab_size, context.sequences.end_id, context.facts.unit, shortest
        )
        return SamplingPlan(prefix, twin, longest, context.sequences.end_id, rule, (offset, size))

    def lengths(self, request: Request, context: GenerationContext) -> tuple[int, int]:
        """``(fewest, most)`` tokens to draw for a request.

        Raises:
            GenerationError: A length that this modality or this run cannot make.
        """
        facts, options = context.facts, request.options
        low, high = context.lengths[request.modality]
        exact = facts.length
        if options.seconds is not None:
            exact = _timed(options.seconds, facts, high, request.modality)
        if exact is not None:
            if options.max_tokens is not None and options.max_tokens < exact:
                raise GenerationError(
                    f"{request.modality} of the length asked for takes exactly {exact} tokens, more than the "
                    f"{options.max_tokens} of --max-tokens; leave that out"
                )
            return exact, exact
        if facts.bytes_per_token is not None:
            limit = options.max_tokens or high
            # With one more than the longest there is room for the end.
            return 1, min(limit, high + 1) if _describes(request) else limit
        most = max(facts.unit, min(high, options.max_tokens or high) // facts.unit * facts.unit)
        return min(low, most), most


def _describes(request: Request) -> bool:
    """Whether what is made was learned as the caption of something given: unlike prose it has an end and a longest
    length."""
    return any(segment.role == "condition" and segment.modality != "text" for segment in request.segments)


def _timed(seconds: float, facts: CodecFacts, longest: int, modality: str) -> int:
    """Tokens that take so many seconds, to the nearest unit."""
    if facts.tokens_per_second is None:
        raise GenerationError(f"{modality} has no duration; leave out --seconds")
    if facts.length is not None:
        made = facts.length / facts.tokens_per_second
        # A duration that was read off a rounded display is near enough.
        if abs(seconds - made) > facts.unit / facts.tokens_per_second:
            raise GenerationError(
                f"this run makes {modality} of exactly {made:.2f} s, not of {seconds:g} s; leave out --seconds"
            )
        return facts.length
    exact = max(facts.unit, round(seconds * facts.tokens_per_second / facts.unit) * facts.unit)
    if exact > longest:
        raise GenerationError(
            f"{seconds:g} seconds are longer than the longest clip of the training data, "
            f"{longest / facts.tokens_per_second:.2f} s; ask for less, or train on longer clips"
        )
    return exact
