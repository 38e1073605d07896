"""The relational part of a corpus: what became of every item and sample, in two Parquet tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError
from weft.interfaces.samples import Split

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
    """

    item: str
    sample: int
    part: int
    split: Split
    prompt: str | None
    sha256: str


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


_TEXT, _INDEX = pa.string(), pa.int64()

PARTS = pa.schema(
    [
        pa.field("item", _TEXT, nullable=False),
        pa.field("sample", _INDEX, nullable=False),
        pa.field("part", _INDEX, nullable=False),
        pa.field("split", _TEXT, nullable=False),
        pa.field("prompt", _TEXT),
        pa.field("sha256", _TEXT, nullable=False),
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
            for name in ("reason", "detail", "sha256", "split", "duplicate_of", "license", "source")
        ),
    ]
)


def write_rows(path: Path, rows: Iterable[PartRow] | Iterable[VerdictRow], schema: pa.Schema) -> None:
    """Write a table; not atomic by itself."""
    values: list[dict[str, Any]] = [dataclasses.asdict(row) for row in rows]
    pq.write_table(pa.Table.from_pylist(values, schema=schema), path, compression="zstd")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table back.

    Raises:
        FolderError: It is missing, damaged or has other columns.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise FolderError(f"{path} is missing or damaged ({error}); prepare the corpus again") from error
    if table.schema.names != schema.names:
        raise FolderError(f"{path} is damaged: its columns are {', '.join(table.schema.names)}")
    return table
