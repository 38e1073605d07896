"""Which example comes when: a function of the seed and of one global sample index, nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class SampleOrder:
    """A fresh permutation of the examples every epoch.

    Args:
        count: Number of examples.
        seed: Of the run.
        strand: Tells apart the permutations of one seed, where a run has several.
    """

    def __init__(self, count: int, seed: int, strand: int | None = None) -> None:
        self._count = count
        self._seed = seed
        self._strand = () if strand is None else (strand,)
        self._epoch = -1
        self._permutation: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def at(self, position: int) -> tuple[int, int]:
        """``(example, epoch)`` at a global sample index."""
        epoch, place = divmod(position, self._count)
        if epoch != self._epoch:
            keys = np.random.SeedSequence([self._seed, epoch], spawn_key=self._strand)
            self._permutation = np.random.default_rng(keys).permutation(self._count)
            self._epoch = epoch
        return int(self._permutation[place]), epoch
