"""What is decided by looking at all samples together: parts that many share, and duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.interfaces.progress import Reporter
from weft.interfaces.samples import Reason, Sample
from weft.preparation.blocks import BlockStore
from weft.preparation.duplicates import Candidates, find_duplicates
from weft.preparation.examine import Judges, KeptSample, RejectedError
from weft.storage.payloads import PayloadStore, PayloadWriter
from weft.storage.signatures import SignatureTable


@dataclass(frozen=True, slots=True)
class Rejected:
    """A sample that was fine by itself.

    Attributes:
        stage: Where it was turned away.
        reason: Why.
        duplicate_of: The sample that it repeats.
    """

    stage: str
    reason: Reason
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Others:
    """Samples of other corpora that those of this one are compared with.

    Attributes:
        names: Of each, as they are to be told.
        kept: Their records.
        payloads: In stored form.
        signatures: Of each; ``None`` where near-duplicates are not looked for.
        excluded: Whether each is of a corpus that is kept out, and not of the one that is added to.
    """

    names: Sequence[str] = ()
    kept: Sequence[KeptSample] = ()
    payloads: Sequence[bytes] = ()
    signatures: SignatureTable | None = None
    excluded: Sequence[bool] = ()


@dataclass(slots=True)
class Decisions:
    """What becomes of the samples that were fine by themselves, by their number.

    Attributes:
        kept: A record of each, with what was revised.
        payloads: Their payloads in stored form, with what was revised.
        signatures: Theirs; ``None`` where near-duplicates are not looked for.
        rejected: Those that are turned away after all.
        changes: What was taken out of others.
    """

    kept: list[KeptSample]
    payloads: Sequence[bytes]
    signatures: SignatureTable | None
    rejected: dict[int, Rejected] = field(default_factory=dict)
    changes: dict[int, Reason] = field(default_factory=dict)

    def survivors(self) -> npt.NDArray[np.int64]:
        """Numbers of those that are part of the corpus."""
        alive = np.ones(len(self.kept), dtype=np.bool_)
        alive[list(self.rejected)] = False
        return np.flatnonzero(alive)


def decide(judges: Judges, blocks: BlockStore, others: Others, folder: Path, reporter: Reporter) -> Decisions:
    """Look at all samples together.

    Args:
        judges: Those who judged each by itself.
        blocks: What they left.
        others: Samples of other corpora.
        folder: Where revised payloads go.
        reporter: Where progress goes.
    """
    decisions = Decisions(list(blocks.kept()), PayloadStore(blocks.payload_paths()), blocks.signatures())
    if judges.boilerplate is not None:
        _leave_out_shared_parts(judges, blocks, decisions, folder, reporter)
    _reject_duplicates(judges, decisions, others, reporter)
    return decisions


def _leave_out_shared_parts(
    judges: Judges, blocks: BlockStore, decisions: Decisions, folder: Path, reporter: Reporter
) -> None:
    assert judges.boilerplate is not None
    parts = list(blocks.parts())
    if not parts:
        return
    # What is the same as a whole shares all its parts with its copies, and they are none the less its own.
    identities = {judges.identity(kept.sha256, kept.prompt): number for number, kept in enumerate(decisions.kept)}
    different = [parts[number] for number in identities.values()]
    hashes, counts = np.unique(np.concatenate(different), return_counts=True)
    shared = hashes[counts >= judges.boilerplate.limit(len(different))]
    affected = [number for number, own in enumerate(parts) if _any_in(own, shared)]
    if not affected:
        return
    common = frozenset(shared.tolist())
    signatures: dict[int, SignatureTable] = {}
    place: dict[int, int] = {}
    with PayloadWriter(folder) as writer, reporter.task("leaving out shared parts", len(affected), "sample") as task:
        for number in affected:
            task.advance()
            revised = _revised(judges, decisions, number, common)
            if revised is None:
                continue
            data, signature = revised
            place[number] = len(place)
            writer.append(data)
            if signature is not None:
                signatures[number] = signature
    decisions.payloads = _Replaced(decisions.payloads, PayloadStore(sorted(folder.iterdir())), place)
    if decisions.signatures is not None and signatures:
        decisions.signatures = _replaced(decisions.signatures, signatures)


def _any_in(values: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> bool:
    """Whether any value is among some that are sorted."""
    if not len(among):
        return False
    places = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return bool(np.any(among[places] == values))


def _revised(
    judges: Judges, decisions: Decisions, number: int, common: frozenset[int]
) -> tuple[bytes, SignatureTable | None] | None:
    """A sample without its shared parts; ``None`` where it is rejected for what is left."""
    assert judges.boilerplate is not None
    kept = decisions.kept[number]
    before = judges.payload_format.from_bytes(decisions.payloads[number])
    payload = judges.boilerplate.without(before, common)
    try:
        sample = judges.filtered(Sample(payload, kept.prompt), "clean")
        data, digest = judges.stored(sample)
    except RejectedError as end:
        detail = f"without what many samples share: {end.reason.detail or end.reason.code}"
        decisions.rejected[number] = Rejected(end.stage, replace(end.reason, detail=detail))
        return None
    length = len(sample.payload.encode("utf-8")) if isinstance(sample.payload, str) else 0
    decisions.kept[number] = replace(kept, sha256=digest, text_bytes=length)
    decisions.changes[number] = Reason("boilerplate", "parts that many samples share are left out")
    signatures = judges.signed([sample.payload])
    return data, SignatureTable.from_signatures(signatures) if signatures else None


class _Replaced(Sequence[bytes]):
    """Payloads, some of which have others in their place."""

    def __init__(self, payloads: Sequence[bytes], others: Sequence[bytes], place: dict[int, int]) -> None:
        self._payloads = payloads
        self._others = others
        self._place = place

    def __len__(self) -> int:
        return len(self._payloads)

    def __getitem__(self, index: Any) -> Any:
        return self._others[self._place[index]] if index in self._place else self._payloads[index]


def _replaced(table: SignatureTable, others: dict[int, SignatureTable]) -> SignatureTable:
    rows = np.arange(len(table))
    for place, number in enumerate(others):
        rows[number] = len(table) + place
    return SignatureTable.joined([table, *others.values()]).select(rows)


def _reject_duplicates(judges: Judges, decisions: Decisions, others: Others, reporter: Reporter) -> None:
    near = judges.near
    alive = decisions.survivors().tolist()
    kept = [*others.kept, *(decisions.kept[number] for number in alive)]
    first = len(others.kept)

    def payload(index: int) -> Any:
        data = others.payloads[index] if index < first else decisions.payloads[alive[index - first]]
        return judges.payload_format.from_bytes(data)

    signatures = None
    if near is not None and decisions.signatures is not None:
        own = decisions.signatures.select(np.asarray(alive, np.int64))
        signatures = own if others.signatures is None else SignatureTable.joined([others.signatures, own])
    candidates = Candidates(
        identities=[judges.identity(each.sha256, each.prompt) for each in kept],
        ranks=np.asarray([each.rank for each in kept], np.float64),
        questions=[each.prompt if judges.modality == "text" else None for each in kept],
        signatures=signatures,
        fixed=first,
    )
    with reporter.task("comparing", len(alive), "sample") as task:
        found = find_duplicates(candidates, near, payload)
        task.advance(len(alive), duplicates=len(found))
    for index, duplicate in found.items():
        if index >= first:
            decisions.rejected[alive[index - first]] = _explain(kept, others, duplicate.of, duplicate.how)


def _explain(kept: Sequence[KeptSample], others: Others, of: int, how: str) -> Rejected:
    like = "the same content as" if how == "exact" else "nearly the same as"
    if of >= len(others.kept):
        name = f"{kept[of].item}#{kept[of].index}"
        return Rejected(
            "deduplicate", Reason("duplicate" if how == "exact" else "near-duplicate", f"{like} {name}"), name
        )
    name = others.names[of]
    if others.excluded[of]:
        return Rejected("deduplicate", Reason("excluded", f"{like} {name}, which is to be kept out"), name)
    code = "duplicate" if how == "exact" else "near-duplicate"
    return Rejected("deduplicate", Reason(code, f"{like} {name}, which is in the corpus already"), name)
