"""How many rows are computed at once: fewer as soon as memory does not suffice."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from weft.models.device import is_out_of_memory
from weft.pages.numbers import count

T = TypeVar("T")


class BackOff:
    """Rows at once of a process; fewer as soon as a step runs out of memory. The batch, and so the result, stays.

    Args:
        rows: To begin with.

    Attributes:
        rows: At present.
        note: Told once of each change, in a sentence.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.note: Callable[[str], None] = lambda _: None

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
            self.note(
                f"memory does not suffice for {count(before, 'row')} at once: a step is computed by {self.rows} from "
                f"now on"
            )
