"""Payloads by index."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.errors import FolderError
from weft.storage import payloads
from weft.storage.payloads import LazySequence, PayloadStore, PayloadWriter


def write(path: Path, values: list[bytes]) -> PayloadStore:
    for old in path.glob("*"):
        old.unlink()
    with PayloadWriter(path) as writer:
        for value in values:
            writer.append(value)
    return PayloadStore(sorted(path.iterdir()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.binary(max_size=20), max_size=200))
def test_what_is_written_is_read(tmp_path: Path, values: list[bytes]) -> None:
    store = write(tmp_path / "payloads", values)
    assert list(store) == values
    assert [store[i] for i in reversed(range(len(values)))] == values[::-1]
    assert store[1:-1] == values[1:-1]


def test_large_payloads_get_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "GROUP_BYTES", 1000)
    write(tmp_path / "payloads", [b"x" * 400] * 7)
    metadata = pq.ParquetFile(tmp_path / "payloads/00000.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 1]


def test_memory_is_bounded_and_what_was_dropped_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "CACHE_BYTES", 64 * 10 * 2)
    values = [f"{i:010d}".encode() for i in range(640)]
    store = write(tmp_path / "payloads", values)
    for _ in range(2):
        assert list(store) == values
        assert sum(len(row) for group in store._groups.values() for row in group) <= 64 * 10 * 2


def test_many_payloads_go_into_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "GROUP_BYTES", 100)
    monkeypatch.setattr(payloads, "SHARD_BYTES", 1000)
    values = [f"{i:010d}".encode() for i in range(640)]
    store = write(tmp_path / "payloads", values)
    assert len(list((tmp_path / "payloads").iterdir())) > 3
    assert list(store) == values
    assert [store[i] for i in (639, 0, 333, -1)] == [values[i] for i in (639, 0, 333, -1)]


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("no")
    with pytest.raises(FolderError, match="missing or damaged"):
        PayloadStore([tmp_path / "p.parquet"])
    with pytest.raises(FolderError, match="missing or damaged"):
        PayloadStore([tmp_path / "absent.parquet"])


def test_a_lazy_sequence_makes_what_is_asked_for() -> None:
    made: list[int] = []

    def make(index: int) -> int:
        made.append(index)
        return index * 10

    lazy = LazySequence(5, make)
    assert (lazy[3], lazy[-1], lazy[1:3], made) == (30, 40, [10, 20], [3, 4, 1, 2])
    assert list(lazy) == [0, 10, 20, 30, 40]
    with pytest.raises(IndexError):
        lazy[5]
