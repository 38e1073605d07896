"""The relational part of a corpus: what became of every item and sample, in Parquet tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError
from weft.interfaces.samples import Split

GROUP_ROWS = 8192
"""Rows that are written at once."""

Outcome = Literal["read", "rejected", "kept"]


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of a kept sample: the whole of it, unless it was cut to hold out its end.

    Attributes:
        item: Name of the item.
        sample: Index of the sample within the item.
        part: Index of the part within the sample.
        split: Side that the part is on.
        prompt: What a person would type to ask for it.
        sha256: Of the decoded payload.
        source: Index of its source in the manifest's list.
    """

    item: str
    sample: int
    part: int
    split: Split
    prompt: str | None
    sha256: str
    source: int = 0


@dataclass(slots=True)
class VerdictRow:
    """What became of an item (``sample`` is ``None``) or of a sample.

    Attributes:
        item: Name of the item.
        sample: Index of the sample within the item.
        verdict: ``read`` or ``rejected`` for an item, ``kept`` or ``rejected`` for a sample.
        stage: Where it was decided.
        reason: Code of the reason of a rejection.
        detail: One sentence about this case.
        sha256: Of the decoded payload, where it came so far.
        split: Side of a kept sample; ``None`` where its parts are on both.
        duplicate_of: The sample that it repeats, as ``item#index``.
        license: License of the item where the source states one.
        source: What the user named on the command line.
        excerpt: The offending part of a text.
        changes: What was left out of a sample that is kept, a sentence each, after the code of the reason.
        figures: What was measured of it, by name.
    """

    item: str
    sample: int | None
    verdict: Outcome
    stage: str
    reason: str | None = None
    detail: str | None = None
    sha256: str | None = None
    split: Split | None = None
    duplicate_of: str | None = None
    license: str | None = None
    source: str | None = None
    excerpt: str | None = None
    changes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A rejected sample to show to a person; a few are kept of each reason.

    Attributes:
        item: Name of the item.
        sample: Index of the sample within the item.
        reason: Code of the reason.
        payload: In the stored form of its modality.
    """

    item: str
    sample: int
    reason: str
    payload: bytes


_TEXT, _INDEX = pa.string(), pa.int64()

PARTS = pa.schema(
    [
        pa.field("item", _TEXT, nullable=False),
        pa.field("sample", _INDEX, nullable=False),
        pa.field("part", _INDEX, nullable=False),
        pa.field("split", _TEXT, nullable=False),
        pa.field("prompt", _TEXT),
        pa.field("sha256", _TEXT, nullable=False),
        pa.field("source", _INDEX),
    ]
)

VERDICTS = pa.schema(
    [
        pa.field("item", _TEXT, nullable=False),
        pa.field("sample", _INDEX),
        pa.field("verdict", _TEXT, nullable=False),
        pa.field("stage", _TEXT, nullable=False),
        *(
            pa.field(name, _TEXT)
            for name in ("reason", "detail", "sha256", "split", "duplicate_of", "license", "source", "excerpt")
        ),
        pa.field("changes", pa.list_(_TEXT)),
        pa.field("figures", pa.map_(_TEXT, pa.float64())),
    ]
)

EXAMPLES = pa.schema(
    [
        pa.field("item", _TEXT, nullable=False),
        pa.field("sample", _INDEX, nullable=False),
        pa.field("reason", _TEXT, nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)


def write_rows(path: Path, rows: Iterable[object], schema: pa.Schema) -> None:
    """Write objects as rows of a table, whose columns are attributes of theirs, some thousand at a time; not atomic by
    itself."""
    waiting = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(waiting, GROUP_ROWS)):
            columns = [
                pa.array([getattr(row, name) for row in batch], schema.field(name).type) for name in schema.names
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table back; columns that an older version did not write are empty.

    Raises:
        FolderError: It is missing, damaged or has other columns.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise FolderError(f"{path} is missing or damaged ({error}); prepare the corpus again") from error
    for field_ in schema:
        if field_.nullable and field_.name not in table.schema.names:
            table = table.append_column(field_, pa.nulls(len(table), field_.type))
    if set(table.schema.names) != set(schema.names):
        raise FolderError(f"{path} is damaged: its columns are {', '.join(table.schema.names)}")
    return table.select(schema.names)


def verdict_row(values: Mapping[str, Any]) -> VerdictRow:
    """A verdict from a row of its table."""
    return VerdictRow(**{**values, "changes": list(values["changes"] or ()), "figures": dict(values["figures"] or ())})
