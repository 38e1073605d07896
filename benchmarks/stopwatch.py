"""Wall time and CPU-seconds of the stages of a benchmark."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """``with watch("train"): ...`` measures a stage; :meth:`report` prints all of them."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[float, float]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        before = self._stages.get(stage, (0.0, 0.0))
        self._stages[stage] = (before[0] + time.perf_counter() - wall, before[1] + _cpu_seconds() - cpu)

    @property
    def wall(self) -> float:
        """Seconds of all stages together."""
        return sum(wall for wall, _ in self._stages.values())

    def report(self) -> None:
        for stage, (wall, cpu) in self._stages.items():
            print(f"{stage:20} {wall:7.1f} s wall {cpu:7.1f} s CPU")
        print(f"{'in all':20} {self.wall:7.1f} s wall {sum(cpu for _, cpu in self._stages.values()):7.1f} s CPU")


def _cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
