"""Blocks examined by the nodes of a Ray cluster, with ``pip install 'weft-core[ray]'``.

The nodes need the same Weft and plugins, and the sources under the same paths.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from weft.errors import OptionError
from weft.preparation.engines.work import Engine, Outcome, Work, crashed, timed_out

START_SECONDS = 30.0
"""What a worker may take to start, which is not the fault of what it works at."""

_LOOK_EVERY = 1.0
"""Seconds between looks at the clock."""


class RayEngine(Engine):
    """The cluster that this process is connected to, that of ``RAY_ADDRESS``, or one made of this machine.

    Args:
        processes: Workers of a cluster that has to be started here.
        seconds: What a task may take.

    Raises:
        OptionError: Ray is not installed.
    """

    def __init__(self, processes: int, seconds: float) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise OptionError("--engine ray needs Ray: pip install 'weft-core[ray]'") from error
        self._ray: Any = ray
        self._processes = processes
        self._seconds = seconds

    def run(self, work: Work, tasks: Sequence[tuple[int, int | None]]) -> Iterator[tuple[int, Outcome]]:
        ray = self._ray
        if not ray.is_initialized():
            own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": self._processes}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **own)
        # One death is one death: a task that Ray quietly tries again would cost its limit several times over.
        remote = ray.remote(num_cpus=1, max_retries=0)(_carry_out)
        # In a list, so that Ray hands on the reference and each worker unpacks the work once, not with every task.
        shared = [ray.put(dataclasses.replace(work, store=None))]
        # No more than can run at once: a task that waits behind one that hangs would be taken to hang as well.
        most = max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: dict[Any, tuple[int, float]] = {}
        left = iter(enumerate(tasks))
        while True:
            while len(waiting) < most and (task := next(left, None)) is not None:
                waiting[remote.remote(shared, *task[1])] = (task[0], time.monotonic())
            if not waiting:
                return
            done, _ = ray.wait(list(waiting), timeout=_LOOK_EVERY)
            for reference in done:
                yield waiting.pop(reference)[0], self._outcome(reference)
            late = time.monotonic() - self._seconds - START_SECONDS
            for reference in [each for each, (_, began) in waiting.items() if began < late]:
                ray.cancel(reference, force=True)
                yield waiting.pop(reference)[0], timed_out(self._seconds)

    def _outcome(self, reference: Any) -> Outcome:
        exceptions = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except exceptions.RayError as error:
            return crashed(type(error).__name__)
        return outcome


_works: dict[Any, Work] = {}
"""What this worker of a cluster has unpacked; that of the present preparation alone."""


def _carry_out(shared: list[Any], number: int, place: int | None) -> Outcome:
    (reference,) = shared
    if reference not in _works:
        import ray

        _works.clear()
        _works[reference] = ray.get(reference)
    return _works[reference].carry_out(number, place)
