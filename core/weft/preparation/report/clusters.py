"""Samples that were rejected for being like another one, beside that one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from weft.preparation.report.shown import Card, Key, Payloads, parse_name, sample_name
from weft.preparation.report.verdicts import Verdicts

SHOWN, MEMBERS = 4, 2
"""Clusters that are shown, and of each so many rejected members."""
LISTED = 8
"""Members of a cluster that are listed by name."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What one sample stands for.

    Attributes:
        keeper: Its name.
        size: How many were rejected for it.
        cards: It, and a few of those.
        others: Names of further ones.
        more: How many are not even named.
    """

    keeper: str
    size: int
    cards: Sequence[Card]
    others: Sequence[str]
    more: int


@dataclass(frozen=True, slots=True)
class Clusters:
    """All of them.

    Attributes:
        count: How many samples stand for others.
        rejected: How many were rejected for being like those, by reason.
        sizes: Rejected members to how many clusters have so many, in order.
        shown: Some, the largest among them.
    """

    count: int
    rejected: Sequence[tuple[str, int]]
    sizes: Sequence[tuple[int, int]]
    shown: Sequence[Cluster]


def find_clusters(verdicts: Verdicts, payloads: Payloads) -> Clusters | None:
    """Those of a corpus; ``None`` where nothing was rejected for being like another sample."""
    table = verdicts.columns(["item", "sample", "reason", "duplicate_of"], where="duplicate_of")
    if not table.num_rows:
        return None
    counted = pc.value_counts(table.column("duplicate_of").combine_chunks())
    keepers = counted.field("values").to_pylist()
    sizes = counted.field("counts").to_pylist()
    reasons = Counter(table.column("reason").to_pylist())
    chosen = _chosen(table, dict(zip(keepers, sizes, strict=True)), payloads)
    places = payloads.rows_of([key for name in chosen if (key := parse_name(name)) is not None])
    return Clusters(
        count=len(keepers),
        rejected=sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0])),
        sizes=sorted(Counter(sizes).items()),
        shown=[_cluster(name, table, payloads, places) for name in chosen],
    )


def _chosen(table: Any, sizes: dict[str, int], payloads: Payloads) -> list[str]:
    """Those with a near-duplicate that can be shown come first, since equal ones look equal; then the largest."""
    different = table.filter(pc.not_equal(table.column("reason").cast(pa.string()), "duplicate"))
    visible: Counter[str] = Counter()
    for row in different.slice(0, 1 << 16).to_pylist():
        visible[row["duplicate_of"]] += payloads.rejected((row["item"], row["sample"])) is not None
    order = sorted(sizes, key=lambda name: (-min(visible[name], MEMBERS), -sizes[name], name))
    return order[:SHOWN]


def _cluster(name: str, table: Any, payloads: Payloads, places: dict[Key, int]) -> Cluster:
    rows = table.filter(pc.equal(table.column("duplicate_of"), name)).slice(0, 1 << 10).to_pylist()
    size = int(pc.sum(pc.equal(table.column("duplicate_of"), name)).as_py())
    rows.sort(key=lambda row: payloads.rejected((row["item"], row["sample"])) is None)
    cards = [_keeper(name, payloads, places)]
    for row in rows[:MEMBERS]:
        key = (row["item"], row["sample"])
        data = payloads.rejected(key)
        note = "" if data is not None else _unseen(row["reason"])
        cards.append(payloads.card(key, data, what="Rejected", note=note, role=str(row["reason"])))
    others = [sample_name((row["item"], row["sample"])) for row in rows[MEMBERS : MEMBERS + LISTED]]
    return Cluster(display_name(name), size, cards, others, size - len(cards) + 1 - len(others))


def _keeper(name: str, payloads: Payloads, places: dict[Key, int]) -> Card:
    key = parse_name(name)
    row = places.get(key) if key is not None else None
    if key is None or row is None:
        return Card(display_name(name), note="It is not part of this corpus.", role="elsewhere")
    _, data, caption = payloads.kept(row)
    return payloads.card(key, data, what="Kept", caption=caption, role="kept")


def display_name(name: str) -> str:
    """``item#index`` as pages write it."""
    key = parse_name(name)
    return name if key is None else sample_name(key)


def _unseen(reason: str) -> str:
    return "Its content is exactly the same." if reason == "duplicate" else "It was not put aside to be shown."
