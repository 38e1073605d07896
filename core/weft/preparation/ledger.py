"""What became of every item and every sample: nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.interfaces.samples import Item, Reason, Split
from weft.storage.tables import VerdictRow


@dataclass(slots=True)
class Ledger:
    """Verdicts as they are reached.

    Attributes:
        rows: One for each item and sample, an item before its samples.
    """

    rows: list[VerdictRow] = field(default_factory=list)

    def item_rejected(self, item: Item, stage: str, reason: Reason) -> None:
        """An item that gives no sample at all."""
        self.rows.append(_row(item, None, "rejected", stage, reason))

    def item_read(self, item: Item) -> None:
        """An item that gives samples; to be said before them."""
        self.rows.append(_row(item, None, "read", "read", None))

    def sample_rejected(
        self,
        item: Item,
        index: int,
        stage: str,
        reason: Reason,
        sha256: str | None = None,
        duplicate_of: str | None = None,
    ) -> None:
        """A sample that was turned away."""
        row = _row(item, index, "rejected", stage, reason)
        row.sha256, row.duplicate_of = sha256, duplicate_of
        self.rows.append(row)

    def sample_kept(self, item: Item, index: int, sha256: str) -> None:
        """A sample that is part of the corpus."""
        row = _row(item, index, "kept", "kept", None)
        row.sha256 = sha256
        self.rows.append(row)

    def assign_splits(self, splits: Mapping[tuple[str, int], Split | None]) -> None:
        """Record the side of kept samples, by item and index."""
        for row in self.rows:
            if row.verdict == "kept" and row.sample is not None:
                row.split = splits[row.item, row.sample]

    def counts(self) -> dict[str, Any]:
        """Figures for the manifest; rejections by reason, the most frequent first.

        Raises:
            AssertionError: They do not add up, which would be a defect of the pipeline.
        """
        items = [row for row in self.rows if row.sample is None]
        samples = [row for row in self.rows if row.sample is not None]
        counts = {
            "items": len(items),
            "items_read": sum(row.verdict == "read" for row in items),
            "items_rejected": _by_reason(items),
            "samples": len(samples),
            "kept": sum(row.verdict == "kept" for row in samples),
            "rejected": _by_reason(samples),
        }
        check_counts(counts)
        return counts


def check_counts(counts: Mapping[str, Any]) -> None:
    """Raise :class:`AssertionError` unless items = read + rejected and samples = kept + rejected."""
    if counts["items"] != counts["items_read"] + sum(counts["items_rejected"].values()):
        raise AssertionError(f"items are not read + rejected: {dict(counts)}")
    if counts["samples"] != counts["kept"] + sum(counts["rejected"].values()):
        raise AssertionError(f"samples are not kept + rejected: {dict(counts)}")


def describe_rejections(counts: Mapping[str, Any]) -> str:
    """Rejections by reason in half a sentence."""
    parts = [
        f"{what} rejected as " + ", ".join(f"{reason} ({count})" for reason, count in counts[key].items())
        for what, key in (("items", "items_rejected"), ("samples", "rejected"))
        if counts[key]
    ]
    return "; ".join(parts) or "nothing was offered"


def _row(item: Item, index: int | None, verdict: Any, stage: str, reason: Reason | None) -> VerdictRow:
    return VerdictRow(
        item=item.name,
        sample=index,
        verdict=verdict,
        stage=stage,
        reason=reason.code if reason else None,
        detail=_encodable(reason.detail) if reason else None,
        license=item.license,
        source=item.source,
    )


def _encodable(text: str) -> str:
    """Text that UTF-8 can hold, whatever a decoder put into its message."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _by_reason(rows: list[VerdictRow]) -> dict[str, int]:
    counts = Counter(row.reason or "" for row in rows if row.verdict == "rejected")
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
