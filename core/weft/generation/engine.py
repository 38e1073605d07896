"""The one sampler: draws the artifacts of a plan, one id at a time, all rows of a batch together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from weft.errors import GenerationError
from weft.generation.logits import AFTER_CONSTRAINT, BEFORE_CONSTRAINT, apply, build
from weft.generation.scorer import Scorer
from weft.interfaces.generator import LogitsProcessor, SamplingOptions, SamplingPlan
from weft.models.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the sampler.

    Attributes:
        tokens: Ids drawn, int64 ``(rows,)``, in the run's id space.
        log_probabilities: Of each under the model with the constraint, ``(rows,)``.
    """

    tokens: Tensor
    log_probabilities: Tensor


class Engine:
    """Draws from a model.

    Args:
        model: In evaluation mode.
        processors: Logits processors of plugins: they see the constraint, and it is applied again after them.
    """

    def __init__(self, model: Transformer, processors: Sequence[type[LogitsProcessor]] = ()) -> None:
        self._model = model
        self._kinds = tuple(processors)

    @torch.inference_mode()
    def steps(self, plan: SamplingPlan, options: SamplingOptions, seeds: Sequence[int]) -> Iterator[Step]:
        """Draw ``plan.max_tokens`` steps, or until the caller stops asking.

        Row i is drawn with random numbers of ``seeds[i]`` alone. A row that has drawn the stop id goes on being drawn;
        the caller ignores what follows.

        Args:
            plan: Where to begin and what may follow.
            options: With every default filled in.
            seeds: One a row.

        Raises:
            GenerationError: Nothing is left to draw from.
        """
        rows = len(seeds)
        guidance = options.guidance if options.guidance is not None else 1.0
        twin = plan.unconditional if guidance != 1 else None
        before = build(BEFORE_CONSTRAINT, options)
        own = build(self._kinds, options)
        after = build(AFTER_CONSTRAINT, options)
        randoms = [torch.Generator().manual_seed(seed) for seed in seeds]
        constraint = plan.constraint.start(rows)
        drawn = torch.empty((rows, 0), dtype=torch.int64)
        scorer = Scorer(self._model, [plan.prefix] * rows + ([] if twin is None else [twin] * rows))
        scores = scorer.start()
        for step in range(plan.max_tokens):
            conditional = scores[:rows].cpu()
            mask = constraint.allowed()
            log_probabilities = conditional.masked_fill(~mask, -torch.inf).log_softmax(1)
            guided = conditional if twin is None else _guide(conditional, scores[rows:].cpu(), guidance)
            logits = apply(before, guided, drawn).masked_fill(~mask, -torch.inf)
            if own:
                logits = apply(own, logits, drawn).masked_fill(~mask, -torch.inf)
            _require_choice(logits, own)
            tokens = _draw(apply(after, logits, drawn), randoms)
            yield Step(tokens, log_probabilities.gather(1, tokens[:, None])[:, 0])
            if step + 1 == plan.max_tokens:
                return
            constraint.advance(tokens)
            drawn = torch.cat([drawn, tokens[:, None]], dim=1)
            scores = scorer.extend(tokens if twin is None else torch.cat([tokens, tokens]))


def _require_choice(logits: Tensor, processors: Sequence[LogitsProcessor]) -> None:
    """Refuse to draw where a row has no id left, or scores that are no numbers."""
    if bool((logits > -torch.inf).any(1).all()) and not bool(logits.isnan().any()):
        return
    if processors:
        names = ", ".join(type(processor).__name__ for processor in processors)
        raise GenerationError(f"a plugin's logits processor ({names}) leaves no id that may follow; disable the plugin")
    raise GenerationError("the model's scores leave no id that may follow; use another checkpoint, or train again")


def _guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (arXiv:2207.12598, for language models arXiv:2306.17806)."""
    return unconditional + scale * (conditional - unconditional)


def _draw(logits: Tensor, randoms: Sequence[torch.Generator]) -> Tensor:
    """One id a row by inverting the cumulative distribution at that row's own random number."""
    cumulative = logits.double().softmax(1).cumsum(1)
    points = torch.stack([torch.rand((), generator=random, dtype=torch.float64) for random in randoms])
    points = points * cumulative[:, -1]
    places = torch.searchsorted(cumulative, points[:, None], right=True)[:, 0]
    last = (cumulative < cumulative[:, -1:]).sum(1)  # the last id with any probability
    return torch.minimum(places, last)
