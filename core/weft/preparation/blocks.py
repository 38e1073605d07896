"""Blocks: the pieces of work of stage 1. Each is examined apart, by any process, and written to disk when it is done.

What a block holds depends on the items alone, and what becomes of a sample on neither its block nor its process.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from weft.errors import FolderError, PluginError
from weft.interfaces.preparer import AnyPreparer
from weft.interfaces.samples import Item
from weft.preparation.examine import Examined, KeptSample, describe_error
from weft.preparation.ledger import joined_portions
from weft.storage.payloads import PayloadWriter
from weft.storage.signatures import SignatureTable
from weft.storage.tables import EXAMPLES, VERDICTS, ExampleRow, VerdictRow, read_table, verdict_row, write_rows

FEWEST_ITEMS, LEAST_BYTES = 8, 4 << 20
"""A block holds at least so many items, or items of so many bytes."""

MOST_ITEMS, MOST_BYTES = 1024, 64 << 20
"""A block holds at most so many, or one item: a process holds what becomes of it in memory."""

FEW_BLOCKS = 64
"""Blocks grow from the least to the most where there would be more than so many: enough to share out evenly, and no
more, for each costs some files."""

_KEPT = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("rank", pa.float64(), nullable=False),
        pa.field("text_bytes", pa.int64(), nullable=False),
    ]
)

Block = Sequence[Item]


def cut_blocks(items: Sequence[Item], preparer: AnyPreparer) -> list[Block]:
    """Items, large ones in portions, in blocks.

    Raises:
        PluginError: The plugin cannot cut an item into portions.
    """
    portions: list[Item] = []
    for item in items:
        try:
            portions += preparer.portions(item)
        except Exception as error:
            raise PluginError(
                f"the plugin cannot cut {item.name} into portions ({describe_error(error)}); report it to its author"
            ) from error
    most_items = min(MOST_ITEMS, max(FEWEST_ITEMS, -(-len(portions) // FEW_BLOCKS)))
    most_bytes = min(MOST_BYTES, max(LEAST_BYTES, -(-sum(item.size for item in portions) // FEW_BLOCKS)))
    blocks: list[list[Item]] = []
    size = most_bytes
    for item in portions:
        full = not blocks or len(blocks[-1]) >= most_items or size + item.size > most_bytes
        # Two portions of one item are never in one block, so that block and item tell a portion.
        if full or blocks[-1][-1].name == item.name:
            blocks.append([])
            size = 0
        blocks[-1].append(item)
        size += item.size
    return list(blocks)


class BlockStore:
    """Examined blocks in a folder, each whole or absent.

    Args:
        folder: Made if it is not there.
        count: How many blocks there are to be.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self) -> list[int]:
        """Numbers of blocks that are not there, or damaged."""
        return [number for number in range(self._count) if not self._is_whole(number)]

    def write(self, number: int, examined: Examined) -> None:
        """Keep what became of a block."""
        partial = self._folder / f"{number:05d}.{os.getpid()}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write_rows(partial / "verdicts.parquet", examined.verdicts, VERDICTS)
        if examined.examples:
            write_rows(partial / "examples.parquet", examined.examples, EXAMPLES)
        write_rows(partial / "kept.parquet", examined.kept, _KEPT)
        with PayloadWriter(partial / "payloads") as writer:
            for payload in examined.payloads:
                writer.append(payload)
        if examined.signatures:
            SignatureTable.from_signatures(examined.signatures).save(partial / "signatures.npz")
        if examined.parts:
            _save_parts(partial / "parts.npz", examined.parts)
        target = self._folder / f"{number:05d}"
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)

    def verdicts(self) -> Iterator[VerdictRow]:
        """All verdicts, block by block, those of items that were read in portions joined."""
        return joined_portions(row for number in range(self._count) for row in self._verdicts(number))

    def examples(self) -> Iterator[ExampleRow]:
        """All examples, block by block."""
        for path in self._paths("examples.parquet"):
            number = int(path.parent.name)
            for row in read_table(path, EXAMPLES).to_pylist():
                yield ExampleRow(**{**row, "sample": row["sample"] + self._first.get((number, row["item"]), 0)})

    def kept(self) -> Iterator[KeptSample]:
        """Records of all kept samples, block by block."""
        names: dict[str, str] = {}
        for number in range(self._count):
            for row in pq.read_table(self._path(number) / "kept.parquet").to_pylist():
                # Names repeat, and there may be millions of records.
                row["item"] = names.setdefault(row["item"], row["item"])
                row["source"] = names.setdefault(row["source"], row["source"])
                row["index"] += self._first.get((number, row["item"]), 0)
                yield KeptSample(**row)

    def payload_paths(self) -> list[Path]:
        """Files with the payloads of kept samples, in their order."""
        return [path for number in range(self._count) for path in sorted((self._path(number) / "payloads").iterdir())]

    def signatures(self) -> SignatureTable | None:
        """Signatures of all kept samples; ``None`` where there are none."""
        tables = [SignatureTable.load(path) for path in self._paths("signatures.npz")]
        return SignatureTable.joined(tables) if tables else None

    def parts(self) -> Iterator[npt.NDArray[np.uint64]]:
        """Hashes of the parts of each kept sample."""
        for path in self._paths("parts.npz"):
            with np.load(path, allow_pickle=False) as arrays:
                yield from np.split(arrays["parts"], arrays["ends"][:-1])

    def _verdicts(self, number: int) -> Iterator[VerdictRow]:
        for row in read_table(self._path(number) / "verdicts.parquet", VERDICTS).to_pylist():
            yield verdict_row(row)

    @cached_property
    def _first(self) -> dict[tuple[int, str], int]:
        """Block and item to the number of the item's first sample in that block, where that is not 0."""
        first: dict[tuple[int, str], int] = {}
        counts: Counter[str] = Counter()
        columns = ["item", "sample", "verdict", "reason"]
        for number in range(self._count):
            table = pq.read_table(self._path(number) / "verdicts.parquet", columns=columns)
            for item, sample, verdict, reason in zip(*(column.to_pylist() for column in table.columns), strict=True):
                if sample is not None:
                    counts[item] += 1
                elif verdict == "rejected" and reason != "empty":
                    counts[item] += 1  # a portion that is lost costs one sample, if the rest of the item is not
                elif counts[item]:
                    first[number, item] = counts[item]
        return first

    def _paths(self, name: str) -> list[Path]:
        paths = [self._path(number) / name for number in range(self._count)]
        return [path for path in paths if path.is_file()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}"

    def _is_whole(self, number: int) -> bool:
        path = self._path(number)
        if not path.is_dir():
            return False
        with suppress(OSError, FolderError, pa.ArrowException, ValueError):
            kept = _rows(path / "kept.parquet")
            _rows(path / "verdicts.parquet")
            counts = [sum(map(_rows, (path / "payloads").iterdir()))]
            if (path / "examples.parquet").is_file():
                _rows(path / "examples.parquet")
            if (path / "signatures.npz").is_file():
                counts.append(len(SignatureTable.load(path / "signatures.npz")))
            if (path / "parts.npz").is_file():
                with np.load(path / "parts.npz", allow_pickle=False) as arrays:
                    counts.append(len(arrays["ends"]))
            return all(count == kept for count in counts)
        return False


def _rows(path: Path) -> int:
    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def _save_parts(path: Path, parts: Sequence[npt.NDArray[Any]]) -> None:
    ends = np.cumsum([len(each) for each in parts], dtype=np.int64)
    np.savez(path, parts=np.concatenate(parts).astype(np.uint64), ends=ends, allow_pickle=False)
