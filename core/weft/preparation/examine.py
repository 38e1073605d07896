"""One item at a time: read, raw filters, clean, clean filters, deduplicate, store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from weft.codecs.prompts import normalize_prompt, normalize_text
from weft.errors import OptionError, PluginError, UnreadableError
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer, Filter
from weft.interfaces.samples import Item, Reason, Revised, Sample, Unreadable
from weft.preparation.ledger import Ledger
from weft.storage.hashing import hash_json
from weft.storage.payloads import PayloadWriter

DETAIL_LENGTH = 300
"""Characters that are kept of a decoder's message."""


@dataclass(frozen=True, slots=True)
class KeptSample:
    """What is remembered of a stored sample; the payload itself is on disk.

    Attributes:
        item: Name of the item.
        index: Of the sample within the item.
        prompt: In its normal form.
        sha256: Of the decoded payload.
        source: Index of its source.
    """

    item: str
    index: int
    prompt: str | None
    sha256: str
    source: int = 0


@dataclass(frozen=True, slots=True)
class _Failed:
    """A decoder that raised."""

    detail: str


class _RejectedError(Exception):
    """Ends the way of one sample."""

    def __init__(self, stage: str, reason: Reason, sha256: str | None = None, duplicate_of: str | None = None) -> None:
        super().__init__(reason.code)
        self.stage = stage
        self.reason = reason
        self.sha256 = sha256
        self.duplicate_of = duplicate_of


class Examiner:
    """Turns items into stored payloads and verdicts.

    Args:
        modality: Of the corpus.
        preparer: Reads and cleans.
        filters: Judges, in order.
        payload_format: How payloads are stored and identified.
        ledger: Gets a verdict for every item and every sample.
        writer: Gets the payloads that are kept.

    Attributes:
        kept: What is stored, in the order of the payloads.
        text_bytes: UTF-8 bytes of the payloads, where they are text.
    """

    def __init__(
        self,
        modality: str,
        preparer: AnyPreparer,
        filters: Sequence[Filter[Any]],
        payload_format: PayloadFormat[Any],
        ledger: Ledger,
        writer: PayloadWriter,
    ) -> None:
        self._modality = modality
        self._preparer = preparer
        self._filters = filters
        self._format = payload_format
        self._ledger = ledger
        self._writer = writer
        self._seen: dict[str, str] = {}
        self.kept: list[KeptSample] = []
        self.text_bytes = 0

    def examine(self, item: Item) -> None:
        """Take one item all the way."""
        count = 0
        for outcome in self._read(item):
            if count == 0 and isinstance(outcome, _Failed):
                self._ledger.item_rejected(item, "read", Reason("unreadable", outcome.detail))
                return
            if count == 0:
                self._ledger.item_read(item)
            self._judge(item, count, outcome)
            count += 1
        if count == 0:
            self._ledger.item_rejected(item, "read", Reason("empty", "there is no sample in it"))

    def _read(self, item: Item) -> Iterator[Sample[Any] | Unreadable | _Failed]:
        """The samples of an item, and last what went wrong, if anything did."""
        try:
            yield from self._preparer.read(item)
        except (OptionError, PluginError):
            raise
        except Exception as error:
            yield _Failed(describe_error(error))

    def _judge(self, item: Item, index: int, outcome: Sample[Any] | Unreadable | _Failed) -> None:
        try:
            if not isinstance(outcome, Sample):
                raise _RejectedError("read", Reason("unreadable", outcome.detail))
            self._keep(item, index, self._cleaned(outcome))
        except _RejectedError as end:
            self._ledger.sample_rejected(
                item, index, end.stage, end.reason, sha256=end.sha256, duplicate_of=end.duplicate_of
            )

    def _cleaned(self, sample: Sample[Any]) -> Sample[Any]:
        sample = self._filter(sample, "raw")
        try:
            cleaned = self._preparer.clean(sample)
            prompt = None if cleaned.prompt is None else normal_prompt(cleaned.prompt, self._modality)
        except (OptionError, PluginError):
            raise
        except Exception as error:
            raise _RejectedError("clean", Reason("unreadable", describe_error(error))) from error
        figures = {**sample.figures, **cleaned.figures}
        return self._filter(Sample(cleaned.payload, prompt or None, figures), "clean")

    def _filter(self, sample: Sample[Any], when: Literal["raw", "clean"]) -> Sample[Any]:
        for each in self._filters:
            if each.on != when:
                continue
            try:
                sample = replace(sample, figures={**sample.figures, **each.measure(sample)})
                answer = each.check(sample)
            except (OptionError, PluginError):
                raise
            except Exception as error:
                detail = f"the filter {each.name} failed: {describe_error(error)}"
                raise _RejectedError(f"filter:{each.name}", Reason("unreadable", detail)) from error
            if isinstance(answer, Revised):
                sample = answer.sample
            elif answer is not None:
                raise _RejectedError(f"filter:{each.name}", answer)
        return sample

    def _keep(self, item: Item, index: int, sample: Sample[Any]) -> None:
        try:
            data, digest = self._format.to_bytes(sample.payload), self._format.content_hash(sample.payload)
        except Exception as error:
            raise _RejectedError("store", Reason("unreadable", describe_error(error))) from error
        identity = self._identity(digest, sample.prompt)
        if identity in self._seen:
            first = self._seen[identity]
            raise _RejectedError("deduplicate", Reason("duplicate", f"the same content as {first}"), digest, first)
        self._seen[identity] = f"{item.name}#{index}"
        self._writer.append(data)
        self.kept.append(KeptSample(item.name, index, sample.prompt, digest))
        self._ledger.sample_kept(item, index, digest)
        if isinstance(sample.payload, str):
            self.text_bytes += len(sample.payload.encode("utf-8"))

    def _identity(self, digest: str, prompt: str | None) -> str:
        """What makes two samples the same: the payload, whatever it is called; but an answer ("yes") only together
        with its question."""
        return hash_json([digest, prompt]) if self._modality == "text" and prompt is not None else digest


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
