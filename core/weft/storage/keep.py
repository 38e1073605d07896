"""Which checkpoints stay: the last few, the best, and every n-th step where that is asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from weft.errors import OptionError


@dataclass(frozen=True, slots=True)
class Keep:
    """What is asked to stay.

    Attributes:
        last: So many of the newest stay whole, so that training can go on from each.
        every: Of steps that are multiples of this the weights stay; ``None`` keeps none for that reason.
    """

    last: int = 2
    every: int | None = None

    def __post_init__(self) -> None:
        if self.last < 1:
            raise OptionError(f"keep must be at least 1, got {self.last}")
        if self.every is not None and self.every < 1:
            raise OptionError(f"keep_every must be at least 1, got {self.every}")

    def is_milestone(self, step: int) -> bool:
        """Whether the weights of a step stay for good."""
        return self.every is not None and step % self.every == 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of some checkpoints, by step.

    Attributes:
        whole: With all that training needs to go on.
        weights: Their weights, averaged ones included, without the optimizer's state.
    """

    whole: frozenset[int]
    weights: frozenset[int]


def kept(steps: Collection[int], best: int | None, keep: Keep) -> Kept:
    """Decide what stays.

    Args:
        steps: Of the checkpoints there are.
        best: Step of the weights that did best on held-out data.
        keep: What is asked for.
    """
    whole = frozenset(sorted(steps)[-keep.last :])
    milestones = {step for step in steps if step == best or keep.is_milestone(step)}
    return Kept(whole, frozenset(milestones - whole))
