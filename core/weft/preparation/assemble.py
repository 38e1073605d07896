"""From decisions to the tables and payloads of a corpus folder."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from weft.interfaces.samples import Split
from weft.preparation.blocks import BlockStore
from weft.preparation.decide import Decisions
from weft.preparation.examine import EXAMPLE_BYTES, EXAMPLES
from weft.preparation.ledger import Tally, describe_change, reject
from weft.preparation.split import Division
from weft.storage.corpus import EXAMPLES_FILE, PAYLOADS, SAMPLES, SIGNATURES, VERDICTS_FILE, CorpusFolder
from weft.storage.payloads import PayloadWriter
from weft.storage.signatures import SignatureTable
from weft.storage.tables import EXAMPLES as EXAMPLES_SCHEMA
from weft.storage.tables import PARTS, VERDICTS, ExampleRow, PartRow, VerdictRow, verdict_row, write_rows


@dataclass(frozen=True, slots=True)
class Findings:
    """What stage 1 found out, before any of it is written.

    Attributes:
        set_aside: Verdicts on items that were not read.
        blocks: Verdicts on those that were.
        decisions: What looking at all samples changed.
        division: The split of those that are kept.
        old: The corpus that is added to.
    """

    set_aside: Sequence[VerdictRow]
    blocks: BlockStore
    decisions: Decisions
    division: Division
    old: CorpusFolder | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        parts: All parts, in the order of their payloads, those of the old corpus first.
        tally: Counts of all verdicts.
        old_parts: How many parts are the old corpus's.
        payload_names: Files of payloads, relative to the folder.
    """

    parts: Sequence[PartRow]
    tally: Tally
    old_parts: int
    payload_names: Sequence[str]


def write_tables(findings: Findings, folder: Path) -> Written:
    """Write payloads, samples, verdicts, examples and signatures into an unfinished corpus."""
    old = findings.old
    old_parts = old.part_rows() if old is not None else []
    names = _write_payloads(findings.division, old, folder)
    parts = [*old_parts, *findings.division.parts]
    write_rows(folder / SAMPLES, parts, PARTS)
    tally = Tally()
    write_rows(folder / VERDICTS_FILE, _counted(_verdicts(findings), tally), VERDICTS)
    write_rows(folder / EXAMPLES_FILE, _examples(findings), EXAMPLES_SCHEMA)
    _write_signatures(findings, folder)
    return Written(parts, tally, len(old_parts), names)


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name, without copying where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_payloads(division: Division, old: CorpusFolder | None, folder: Path) -> list[str]:
    target = folder / PAYLOADS
    target.mkdir()
    paths = old.payload_paths if old is not None else []
    for number, path in enumerate(paths):
        link_or_copy(path, target / f"{number:05d}.parquet")
    with PayloadWriter(target, first=len(paths)) as writer:
        for payload in division.payloads:
            writer.append(payload)
    return [f"{PAYLOADS}/{path.name}" for path in sorted(target.iterdir())]


def _verdicts(findings: Findings) -> Iterator[VerdictRow]:
    if findings.old is not None:
        yield from map(verdict_row, findings.old.verdicts())
    yield from findings.set_aside
    sides = _sides(findings.division.parts)
    number = 0
    for row in findings.blocks.verdicts():
        if row.verdict == "kept" and row.sample is not None:
            _apply(findings.decisions, number, row)
            number += 1
            if row.verdict == "kept":
                row.split = sides[row.item, row.sample]
        yield row


def _apply(decisions: Decisions, number: int, row: VerdictRow) -> None:
    """What looking at all samples means for this one."""
    row.sha256 = decisions.kept[number].sha256
    if number in decisions.changes:
        row.changes.append(describe_change(decisions.changes[number]))
    if number in decisions.rejected:
        rejected = decisions.rejected[number]
        reject(row, rejected.stage, rejected.reason)
        row.duplicate_of = rejected.duplicate_of


def _counted(rows: Iterable[VerdictRow], tally: Tally) -> Iterator[VerdictRow]:
    for row in rows:
        tally.add(row)
        yield row


def _sides(parts: Sequence[PartRow]) -> dict[tuple[str, int], Split | None]:
    """The side of each sample; ``None`` where its parts are on both."""
    sides: dict[tuple[str, int], Split | None] = {}
    for part in parts:
        key = (part.item, part.sample)
        sides[key] = part.split if sides.get(key, part.split) == part.split else None
    return sides


@dataclass(slots=True)
class _Few:
    """The first few examples of each reason."""

    shown: Counter[str] = field(default_factory=Counter)

    def take(self, rows: Iterable[ExampleRow]) -> Iterator[ExampleRow]:
        for row in rows:
            if self.shown[row.reason] < EXAMPLES and len(row.payload) <= EXAMPLE_BYTES:
                self.shown[row.reason] += 1
                yield row


def _examples(findings: Findings) -> Iterator[ExampleRow]:
    few = _Few()
    if findings.old is not None:
        yield from few.take(ExampleRow(**row) for row in findings.old.examples())
    yield from few.take(findings.blocks.examples())
    decisions = findings.decisions
    for number, rejected in sorted(decisions.rejected.items()):
        kept, reason = decisions.kept[number], rejected.reason.code
        if few.shown[reason] < EXAMPLES:
            yield from few.take([ExampleRow(kept.item, kept.index, reason, decisions.payloads[number])])


def _write_signatures(findings: Findings, folder: Path) -> None:
    decisions = findings.decisions
    if decisions.signatures is None:
        return
    table = decisions.signatures.select(decisions.survivors().astype(np.int64))
    old = findings.old
    if old is not None and (old.path / SIGNATURES).is_file():
        table = SignatureTable.joined([SignatureTable.load(old.path / SIGNATURES), table])
    table.save(folder / SIGNATURES)


def part_counts(parts: Sequence[PartRow]) -> Mapping[str, int]:
    """How many parts are on each side, and how many samples have a prompt."""
    held_out = sum(part.split == "validation" for part in parts)
    captioned = len({(part.item, part.sample) for part in parts if part.prompt is not None})
    return {
        "parts": len(parts),
        "train": len(parts) - held_out,
        "validation": held_out,
        "captioned": captioned,
    }
