"""Why things were turned away: every reason with its count and a few real examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.preparation.report.shown import Card, Payloads, sample_name
from weft.preparation.report.verdicts import Verdicts
from weft.preparation.report.words import reason_words, stage_label

CARDS = 24
"""Payloads that are shown of all reasons together."""
MOST, LEAST = 4, 1
"""Payloads that are shown of one reason."""
LISTED = 5
"""Rejections of a reason that are listed by name."""

BY_COMPARISON = frozenset({"duplicate", "near-duplicate", "excluded"})
"""Reasons that are shown beside what stands for the sample."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A rejection by name."""

    name: str
    detail: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class ReasonView:
    """A reason.

    Attributes:
        code: Its short name.
        is_item: Whether whole items were turned away for it, or samples.
        count: How many.
        meaning: In a sentence; empty for a plugin's own.
        stages: Where.
        cards: A few, to be seen.
        listed: A few, by name; those of the cards apart.
    """

    code: str
    is_item: bool
    count: int
    meaning: str
    stages: Sequence[str]
    cards: Sequence[Card] = ()
    listed: Sequence[Listed] = ()


@dataclass(slots=True)
class _Tally:
    count: int = 0
    stages: dict[str, int] = field(default_factory=dict)


def view_reasons(verdicts: Verdicts, payloads: Payloads) -> list[ReasonView]:
    """All reasons, those of items first, the most frequent first."""
    tallies: dict[tuple[bool, str], _Tally] = {}
    for group in verdicts.groups("is_item", "verdict", "reason", "stage"):
        is_item, verdict, reason, stage = group.values
        if verdict == "rejected":
            tally = tallies.setdefault((is_item, reason or ""), _Tally())
            tally.count += group.count
            tally.stages[stage_label(stage)] = group.count
    with_cards = sum(not is_item and reason not in BY_COMPARISON for is_item, reason in tallies)
    each = min(MOST, max(LEAST, CARDS // max(1, with_cards)))
    order = sorted(tallies, key=lambda key: (not key[0], -tallies[key].count, key[1]))
    left = CARDS
    views = []
    for key in order:
        view = _view(*key, tallies[key], verdicts, payloads, min(each, left))
        left -= len(view.cards)
        views.append(view)
    return views


def _view(is_item: bool, code: str, tally: _Tally, verdicts: Verdicts, payloads: Payloads, most: int) -> ReasonView:
    rows = verdicts.rows(verdicts.first_rejected(code, is_item, MOST + LISTED))
    chosen = [] if is_item or code in BY_COMPARISON else [row for row in rows if _showable(row, payloads)][:most]
    cards = [_card(row, payloads) for row in chosen]
    listed = [] if code in BY_COMPARISON else [row for row in rows if row not in chosen][:LISTED]
    return ReasonView(
        code=code or "no reason given",
        is_item=is_item,
        count=tally.count,
        meaning=reason_words(code),
        stages=list(tally.stages),
        cards=cards,
        listed=[Listed(_name(row), row["detail"] or "", row["excerpt"] or "") for row in listed],
    )


def _showable(row: dict[str, Any], payloads: Payloads) -> bool:
    return payloads.rejected((row["item"], row["sample"])) is not None


def _card(row: dict[str, Any], payloads: Payloads) -> Card:
    key = (row["item"], row["sample"])
    return payloads.card(
        key,
        payloads.rejected(key),
        what=f"Rejected as {row['reason']}",
        marked=row["excerpt"] or "",
        note=row["detail"] or "",
        role="rejected",
    )


def _name(row: dict[str, Any]) -> str:
    return row["item"] if row["sample"] is None else sample_name((row["item"], row["sample"]))
