"""Rows at once: found from memory, and halved where it does not suffice."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.training.estimate import Estimator, find_rows
from weft.training.footprint import Footprint, Linear
from weft.training.microbatch import BackOff

MB = 1 << 20


def estimator(row: float, fixed: float = 0.0) -> Estimator:
    """Of a model whose rows take so many bytes each."""
    nothing = Linear(0, 0)
    footprint = Footprint(nothing, nothing, nothing, nothing, fixed, Linear(0, row / 100))
    return Estimator(footprint, layers=1, length=100, keeps_average=False, program=50 * MB)


class TestFindRows:
    def test_all_at_once_where_they_fit(self) -> None:
        assert find_rows(estimator(MB), free=100 * MB, batch=64) == 64

    def test_parts_are_even(self) -> None:
        # 40 rows fit: 64 rows are computed as two times 32, not as 40 and 24.
        assert find_rows(estimator(MB), free=40 * MB, batch=64) == 32

    def test_one_row_where_nothing_fits(self) -> None:
        assert find_rows(estimator(MB), free=1, batch=64) == 1

    @given(free=st.integers(1, 1 << 40), batch=st.integers(1, 5000), row=st.integers(100, 1 << 30))
    def test_the_fewest_parts_that_fit(self, free: int, batch: int, row: int) -> None:
        estimates = estimator(row)
        rows = find_rows(estimates, free, batch)
        parts = -(-batch // rows)

        def fits(count: int) -> bool:
            return estimates.at(count).total - estimates.program <= free

        assert 1 <= rows <= batch
        assert rows == 1 or fits(rows)
        if parts > 1 and rows > 1:
            assert not fits(-(-batch // (parts - 1)))


class Memory:
    """Holds so many rows at once, and fails above as an allocator would."""

    def __init__(self, rows: int, error: Exception) -> None:
        self.rows = rows
        self.error = error
        self.attempts: list[int] = []
        self.undone = 0

    def step(self, rows: int) -> str:
        self.attempts.append(rows)
        if rows > self.rows:
            raise self.error
        return f"done by {rows}"

    def undo(self) -> None:
        self.undone += 1


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    MemoryError(),
]


class TestBackOff:
    @pytest.mark.parametrize("error", OUT_OF_MEMORY)
    def test_halves_until_it_fits_and_stays_there(self, error: Exception) -> None:
        memory = Memory(3, error)
        notes: list[str] = []
        micro = BackOff(12)
        micro.note = notes.append
        assert micro.run(memory.step, memory.undo) == "done by 3"
        assert memory.attempts == [12, 6, 3]
        assert memory.undone == 2
        assert micro.run(memory.step, memory.undo) == "done by 3"
        assert memory.attempts == [12, 6, 3, 3]
        assert notes == [
            "memory does not suffice for 12 rows at once: a step is computed by 6 from now on",
            "memory does not suffice for 6 rows at once: a step is computed by 3 from now on",
        ]

    @given(rows=st.integers(1, 64), room=st.integers(1, 64))
    @settings(max_examples=15, deadline=None)
    def test_any_number_ends_within_what_there_is(self, rows: int, room: int) -> None:
        memory = Memory(room, MemoryError())
        micro = BackOff(rows)
        micro.run(memory.step, memory.undo)
        assert micro.rows <= min(rows, room)

    def test_one_row_that_is_too_much(self) -> None:
        memory = Memory(0, MemoryError())
        with pytest.raises(MemoryError):
            BackOff(4).run(memory.step, memory.undo)
        assert memory.attempts == [4, 2, 1]

    def test_other_errors_pass_at_once(self) -> None:
        memory = Memory(0, RuntimeError("shapes do not match"))
        with pytest.raises(RuntimeError, match="shapes"):
            BackOff(4).run(memory.step, memory.undo)
        assert memory.attempts == [4]
