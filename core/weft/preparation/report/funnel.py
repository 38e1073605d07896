"""How many come through each stage, from what was offered to what is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from weft.preparation.report.verdicts import Verdicts
from weft.preparation.report.words import stage_label


@dataclass(frozen=True, slots=True)
class Step:
    """What is left after a stage.

    Attributes:
        label: Of the stage.
        count: How many came through.
        lost: How many it turned away.
        whole: How many there were at first.
        reasons: Reasons of those that it turned away, and how many for each.
    """

    label: str
    count: int
    whole: int
    lost: int = 0
    reasons: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Funnel:
    """Items and samples, each from the first stage to the last.

    Attributes:
        items: Files, rows or members; the last step is what was read.
        samples: What was in them; the last step is what is kept.
    """

    items: Sequence[Step]
    samples: Sequence[Step]


def make_funnel(verdicts: Verdicts, order: Sequence[str]) -> Funnel:
    """Count.

    Args:
        verdicts: Of the corpus.
        order: Stages as they follow each other; others are put before the last of these.
    """
    lost: dict[bool, dict[str, Counter[str]]] = {True: {}, False: {}}
    whole = {True: 0, False: 0}
    for group in verdicts.groups("is_item", "verdict", "stage", "reason"):
        is_item, verdict, stage, reason = group.values
        whole[is_item] += group.count
        if verdict == "rejected":
            lost[is_item].setdefault(stage, Counter())[reason or ""] += group.count
    return Funnel(
        _steps("items", whole[True], lost[True], order),
        _steps("samples", whole[False], lost[False], order),
    )


def _steps(what: str, whole: int, lost: dict[str, Counter[str]], order: Sequence[str]) -> list[Step]:
    known = {stage: place for place, stage in enumerate(order)}
    last = len(order) - 1
    steps = [Step(f"{what} offered" if what == "items" else f"{what} in them", whole, whole)]
    left = whole
    for stage in sorted(lost, key=lambda stage: (known.get(stage, last - 0.5), stage)):
        reasons = sorted(lost[stage].items(), key=lambda entry: (-entry[1], entry[0]))
        gone = sum(lost[stage].values())
        left -= gone
        steps.append(Step(stage_label(stage), left, whole, gone, reasons))
    return steps
