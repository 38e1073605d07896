"""How many rows are computed at once: found from memory before step 0, halved where it does not suffice after all."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from weft.models.device import is_out_of_memory
from weft.training.estimate import Estimator

T = TypeVar("T")

SHARE = 0.8
"""Of the free memory that estimates may use: they leave out scratch space inside operations and fragmentation."""


def find_rows(estimator: Estimator, free: int, batch: int, shards: int = 1) -> int:
    """Rows at once that fit into memory and cut a batch into even parts.

    Args:
        estimator: Of the model.
        free: Bytes that the process may still take.
        batch: Rows of a step in one process.
        shards: Processes that weights, gradients and states are spread over.
    """
    most = estimator.rows_within(SHARE * free + estimator.program, batch, shards)
    parts = -(-batch // most)
    return -(-batch // parts)


class MicroBatch:
    """Rows at once of a process; fewer as soon as a step runs out of memory. The batch, and so the result, stays.

    Args:
        rows: To begin with.
        note: Told once of each change, in a sentence.

    Attributes:
        rows: At present.
    """

    def __init__(self, rows: int, note: Callable[[str], None]) -> None:
        self.rows = rows
        self._note = note

    def run(self, step: Callable[[int], T], undo: Callable[[], None]) -> T:
        """The result of ``step(rows)``, which is tried again with half the rows where memory does not suffice.

        Args:
            step: One optimizer step up to its gradients; must leave weights and positions as they were if it fails.
            undo: Frees what an attempt left behind (gradients).

        Raises:
            RuntimeError: One row at a time is too much as well; or any other error of ``step``.
        """
        while True:
            try:
                return step(self.rows)
            except (RuntimeError, MemoryError) as error:
                if self.rows == 1 or not is_out_of_memory(error):
                    raise
            # Out of the except block: the traceback would keep the tensors of the attempt.
            undo()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            before, self.rows = self.rows, -(-self.rows // 2)
            self._note(
                f"memory does not suffice for {before} rows at once: a step is computed by {self.rows} from now on"
            )
