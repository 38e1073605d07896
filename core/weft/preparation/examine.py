"""One item at a time: read, raw filters, clean, clean filters, store. Comparing samples with each other comes later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from weft.codecs.prompts import normalize_prompt, normalize_text
from weft.errors import OptionError, PluginError, UnreadableError
from weft.interfaces.near import Boilerplate, NearDuplicates, Signature
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer, Filter
from weft.interfaces.samples import Item, Reason, Revised, Sample, Unreadable
from weft.preparation.ledger import item_row, sample_row
from weft.storage.hashing import hash_json
from weft.storage.tables import ExampleRow, VerdictRow

DETAIL_LENGTH = 300
"""Characters that are kept of a decoder's message."""

SIGNED_AT_ONCE = 64
"""Payloads that are signed together."""

EXAMPLES = 6
"""Rejected samples of each reason that are kept to be shown."""

EXAMPLE_BYTES = 1 << 20
"""A larger payload is not kept as an example."""

EXAMPLE_CHARACTERS = 20_000
"""Of a text that is kept as an example, so many from its beginning."""


@dataclass(frozen=True, slots=True)
class KeptSample:
    """What is remembered of a stored sample; the payload itself is on disk.

    Attributes:
        item: Name of the item.
        index: Of the sample within the item.
        prompt: In its normal form.
        sha256: Of the decoded payload.
        source: What the user named on the command line.
        rank: How good it is among its duplicates.
        text_bytes: UTF-8 bytes of the payload, where it is text.
    """

    item: str
    index: int
    prompt: str | None
    sha256: str
    source: str = ""
    rank: float = 0.0
    text_bytes: int = 0


@dataclass(slots=True)
class Examined:
    """What became of some items.

    Attributes:
        verdicts: A row for each item and, after it, its samples, those that are kept included.
        kept: A record for each kept sample, in the order of the verdicts.
        payloads: Their payloads in stored form.
        signatures: Theirs, where near-duplicates are looked for; else empty.
        parts: Hashes of the parts of each, where shared parts are looked for; else empty.
        examples: A few of those that were rejected.
    """

    verdicts: list[VerdictRow] = field(default_factory=list)
    kept: list[KeptSample] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    parts: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    examples: list[ExampleRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Failed:
    """A decoder that raised."""

    detail: str


class RejectedError(Exception):
    """Ends the way of one sample.

    Attributes:
        stage: Where.
        reason: Why.
        sample: As it was then.
    """

    def __init__(self, stage: str, reason: Reason, sample: Sample[Any] | None = None) -> None:
        super().__init__(reason.code)
        self.stage = stage
        self.reason = reason
        self.sample = sample


@dataclass(frozen=True, slots=True)
class Judges:
    """Everything that has a say about a sample by itself.

    Attributes:
        modality: Of the corpus.
        preparer: Reads and cleans.
        filters: Judge, in order.
        payload_format: How payloads are stored and identified.
        near: Signs what is kept; ``None`` where near-duplicates are not looked for.
        boilerplate: Hashes the parts of what is kept; ``None`` where shared parts are not looked for.
    """

    modality: str
    preparer: AnyPreparer
    filters: Sequence[Filter[Any]]
    payload_format: PayloadFormat[Any]
    near: NearDuplicates[Any] | None = None
    boilerplate: Boilerplate[Any] | None = None

    def filtered(
        self, sample: Sample[Any], when: Literal["raw", "clean"], changes: list[Reason] | None = None
    ) -> Sample[Any]:
        """What the filters of one kind leave of a sample.

        Args:
            sample: To be judged.
            when: Which filters.
            changes: Gets the reasons of those that took something out.

        Raises:
            RejectedError: One rejects it.
        """
        for each in self.filters:
            if each.on != when:
                continue
            try:
                if measured := each.measure(sample):
                    sample = replace(sample, figures={**sample.figures, **measured})
                answer = each.check(sample)
            except (OptionError, PluginError):
                raise
            except Exception as error:
                detail = f"the filter {each.name} failed: {describe_error(error)}"
                raise RejectedError(f"filter:{each.name}", Reason("unreadable", detail), sample) from error
            if isinstance(answer, Revised):
                sample = replace(answer.sample, figures={**sample.figures, **answer.sample.figures})
                if changes is not None:
                    changes.append(answer.reason)
            elif answer is not None:
                raise RejectedError(f"filter:{each.name}", answer, sample)
        return sample

    def cleaned(self, sample: Sample[Any]) -> Sample[Any]:
        """The cleaned form of a sample.

        Raises:
            RejectedError: It cannot be cleaned.
        """
        try:
            cleaned = self.preparer.clean(sample)
            prompt = None if cleaned.prompt is None else normal_prompt(cleaned.prompt, self.modality)
        except (OptionError, PluginError):
            raise
        except Exception as error:
            raise RejectedError("clean", Reason("unreadable", describe_error(error)), sample) from error
        return Sample(cleaned.payload, prompt or None, {**sample.figures, **cleaned.figures})

    def stored(self, sample: Sample[Any]) -> tuple[bytes, str]:
        """The stored form of a cleaned sample's payload, and its hash.

        Raises:
            RejectedError: It has none.
        """
        try:
            return self.payload_format.to_bytes(sample.payload), self.payload_format.content_hash(sample.payload)
        except Exception as error:
            raise RejectedError("store", Reason("unreadable", describe_error(error)), sample) from error

    def signed(self, payloads: Sequence[Any]) -> list[Signature]:
        """A signature for each cleaned payload; none at all where near-duplicates are not looked for.

        Raises:
            PluginError: The plugin cannot sign them.
        """
        if self.near is None:
            return []
        try:
            signatures = self.near.sign(payloads)
        except (OptionError, PluginError):
            raise
        except Exception as error:
            raise PluginError(
                f"the plugin of {self.modality} cannot sign what it cleaned ({describe_error(error)}); report it to "
                f"its author, and turn near-duplicates off"
            ) from error
        if len(signatures) != len(payloads):
            raise PluginError(f"the plugin of {self.modality} gives another number of signatures; report it")
        return signatures

    def rank(self, sample: Sample[Any]) -> float:
        """How good a cleaned sample is among its duplicates.

        Raises:
            RejectedError: The plugin cannot tell.
        """
        if self.near is None:
            return 0.0
        try:
            return float(self.near.rank(sample))
        except Exception as error:
            raise RejectedError("deduplicate", Reason("unreadable", describe_error(error)), sample) from error

    def identity(self, digest: str, prompt: str | None) -> str:
        """What makes two samples the same: the payload, whatever it is called; but an answer ("yes") only together
        with its question."""
        return hash_json([digest, prompt]) if self.modality == "text" and prompt is not None else digest


class Examiner:
    """Takes items all the way to payloads and verdicts, and knows of no other item while it does.

    Args:
        judges: What has a say.
    """

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._examined = Examined()
        self._shown: Counter[str] = Counter()
        self._payloads: list[Any] = []

    def examine(self, items: Iterable[Item]) -> Examined:
        """What becomes of these items, in their order."""
        self._examined, self._shown, self._payloads = Examined(), Counter(), []
        for item in items:
            self._examine(item)
        self._sign()
        return self._examined

    def _examine(self, item: Item) -> None:
        rows = self._examined.verdicts
        count = 0
        for outcome in self._read(item):
            if count == 0 and isinstance(outcome, _Failed):
                rows.append(item_row(item, "rejected", "read", Reason("unreadable", outcome.detail)))
                return
            if count == 0:
                rows.append(item_row(item, "read", "read"))
            self._judge(item, count, outcome)
            count += 1
        if count == 0:
            rows.append(item_row(item, "rejected", "read", Reason("empty", "there is no sample in it")))

    def _read(self, item: Item) -> Iterator[Sample[Any] | Unreadable | _Failed]:
        """The samples of an item, and last what went wrong, if anything did."""
        try:
            yield from self._judges.preparer.read(item)
        except (OptionError, PluginError):
            raise
        except Exception as error:
            yield _Failed(describe_error(error))

    def _judge(self, item: Item, index: int, outcome: Sample[Any] | Unreadable | _Failed) -> None:
        changes: list[Reason] = []
        try:
            if not isinstance(outcome, Sample):
                raise RejectedError("read", Reason("unreadable", outcome.detail))
            sample = self._judges.filtered(outcome, "raw", changes)
            sample = self._judges.cleaned(sample)
            changes += self._cleaned_away(sample)
            sample = self._judges.filtered(sample, "clean", changes)
            self._keep(item, index, sample, changes)
        except RejectedError as end:
            figures = end.sample.figures if end.sample is not None else {}
            row = sample_row(item, index, "rejected", end.stage, end.reason, figures, changes)
            self._examined.verdicts.append(row)
            self._show(item, index, end)

    def _cleaned_away(self, sample: Sample[Any]) -> list[Reason]:
        """What cleaning says that it changed."""
        told = self._judges.preparer.changes
        return [
            Reason(name, f"{told[name]}: {count:g}") for name, count in sample.figures.items() if name in told and count
        ]

    def _keep(self, item: Item, index: int, sample: Sample[Any], changes: Sequence[Reason]) -> None:
        data, digest = self._judges.stored(sample)
        rank = self._judges.rank(sample)
        length = len(sample.payload.encode("utf-8")) if isinstance(sample.payload, str) else 0
        kept = KeptSample(item.name, index, sample.prompt, digest, item.source, rank, length)
        row = sample_row(item, index, "kept", "kept", None, sample.figures, changes)
        row.sha256 = digest
        self._examined.verdicts.append(row)
        self._examined.kept.append(kept)
        self._examined.payloads.append(data)
        self._payloads.append(sample.payload)
        if len(self._payloads) >= SIGNED_AT_ONCE:
            self._sign()

    def _sign(self) -> None:
        """Signatures and parts of the payloads that wait for them."""
        self._examined.signatures += self._judges.signed(self._payloads)
        if self._judges.boilerplate is not None:
            self._examined.parts += [np.unique(self._judges.boilerplate.parts(each)) for each in self._payloads]
        self._payloads = []

    def _show(self, item: Item, index: int, end: RejectedError) -> None:
        """Remember a rejected sample as an example, where it has a form that can be stored."""
        code = end.reason.code
        if end.sample is None or self._shown[code] >= EXAMPLES:
            return
        data = example_bytes(self._judges, end)
        if data is not None:
            self._shown[code] += 1
            self._examined.examples.append(ExampleRow(item.name, index, code, data))


def example_bytes(judges: Judges, end: RejectedError) -> bytes | None:
    """The stored form of a rejected sample; ``None`` where it has none, or too large a one."""
    sample = end.sample
    if sample is None or end.stage in ("clean", "store"):
        return None
    if isinstance(sample.payload, str):
        sample = replace(sample, payload=around(sample.payload, end.reason.excerpt))
    try:
        data = judges.payload_format.to_bytes(sample.payload)
    except Exception:  # A raw payload need not have a stored form yet.
        try:
            data = judges.stored(judges.cleaned(sample))[0]
        except RejectedError:
            return None
    return data if len(data) <= EXAMPLE_BYTES else None


def around(text: str, excerpt: str) -> str:
    """So much of a text as is shown of an example, with the excerpt in it."""
    place = text.find(excerpt) if excerpt else 0
    start = max(0, place - EXAMPLE_CHARACTERS // 2) if place + len(excerpt) > EXAMPLE_CHARACTERS else 0
    return text[start : start + EXAMPLE_CHARACTERS]


def normal_prompt(prompt: str, modality: str) -> str:
    """The form in which prompts are learned, which is the one that generation gives to what is typed."""
    storable = prompt.encode("utf-8", "replace").decode("utf-8")
    return normalize_text(storable) if modality == "text" else normalize_prompt(storable)


def describe_error(error: Exception) -> str:
    """An exception on one line."""
    message = " ".join(str(error).split())[:DETAIL_LENGTH]
    if isinstance(error, UnreadableError) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
