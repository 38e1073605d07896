"""What became of every item and every sample: nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from weft.interfaces.samples import Item, Reason
from weft.storage.tables import Outcome, VerdictRow


@dataclass(slots=True)
class Tally:
    """Counts of verdicts as they are written.

    Attributes:
        items: Verdict of an item to how many have it.
        samples: Verdict of a sample to how many have it.
        items_rejected: Reason to items.
        rejected: Reason to samples.
        first: The first rejection.
    """

    items: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)
    items_rejected: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    first: VerdictRow | None = None

    def add(self, row: VerdictRow) -> None:
        """Count one more."""
        verdicts, reasons = (self.items, self.items_rejected) if row.sample is None else (self.samples, self.rejected)
        verdicts[row.verdict] += 1
        if row.verdict == "rejected":
            reasons[row.reason or ""] += 1
            self.first = self.first or row

    def counts(self) -> dict[str, Any]:
        """Figures for the manifest; rejections by reason, the most frequent first.

        Raises:
            AssertionError: They do not add up, which would be a defect of the pipeline.
        """
        counts = {
            "items": self.items.total(),
            "items_read": self.items["read"],
            "items_rejected": _by_reason(self.items_rejected),
            "samples": self.samples.total(),
            "kept": self.samples["kept"],
            "rejected": _by_reason(self.rejected),
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


def item_row(item: Item, verdict: Literal["read", "rejected"], stage: str, reason: Reason | None = None) -> VerdictRow:
    """The verdict on an item; to be said before those on its samples."""
    return _row(item, None, verdict, stage, reason)


def sample_row(
    item: Item,
    index: int,
    verdict: Literal["kept", "rejected"],
    stage: str,
    reason: Reason | None,
    figures: Mapping[str, float],
    changes: Sequence[Reason] = (),
) -> VerdictRow:
    """The verdict on a sample."""
    row = _row(item, index, verdict, stage, reason)
    row.figures = {name: float(value) for name, value in figures.items()}
    row.changes = [describe_change(change) for change in changes]
    return row


def reject(row: VerdictRow, stage: str, reason: Reason) -> None:
    """Turn the verdict on a sample that was to be kept into a rejection."""
    row.verdict, row.stage = "rejected", stage
    row.reason, row.detail = reason.code, encodable(reason.detail)
    row.excerpt = encodable(reason.excerpt) or None


def describe_change(change: Reason) -> str:
    """What a filter took out of a sample that it kept."""
    return encodable(f"{change.code}: {change.detail}" if change.detail else change.code)


def joined_portions(rows: Iterator[VerdictRow]) -> Iterator[VerdictRow]:
    """Verdicts of items that were read in portions, as if each had been read whole.

    Each portion has a row of the item's name, and counts its samples from 0. One that cannot be read costs one sample
    of an item of which others can.
    """
    for _, portions in groupby(rows, key=lambda row: row.item):
        lost: list[VerdictRow] = []
        read = False
        count = 0
        for row in portions:
            if row.sample is None and row.verdict == "read":
                if read:
                    continue
                read = True
                yield row
                due = [each for each in lost if each.reason != "empty"]
            elif row.sample is None and not read:
                lost.append(row)
                continue
            else:
                due = [row] if row.sample is not None or row.reason != "empty" else []
            for each in due:
                each.sample, count = count, count + 1
                yield each
        if not read:
            yield next((row for row in lost if row.reason != "empty"), lost[0])


def encodable(text: str) -> str:
    """Text that UTF-8 can hold, whatever a decoder put into its message."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _row(item: Item, index: int | None, verdict: Outcome, stage: str, reason: Reason | None) -> VerdictRow:
    return VerdictRow(
        item=item.name,
        sample=index,
        verdict=verdict,
        stage=stage,
        reason=reason.code if reason else None,
        detail=encodable(reason.detail) if reason else None,
        excerpt=(encodable(reason.excerpt) or None) if reason else None,
        license=item.license,
        source=item.source,
    )


def _by_reason(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
