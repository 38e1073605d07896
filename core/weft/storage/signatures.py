"""Signatures of many samples in three arrays, as they are kept in a corpus."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from weft.errors import FolderError, PluginError
from weft.interfaces.near import Signature


@dataclass(frozen=True, slots=True)
class SignatureTable:
    """Signatures end to end.

    Attributes:
        keys: ``uint64`` of all samples, shape ``(total,)``.
        offsets: ``int64``, one more than there are samples: the keys of sample ``i`` are
            ``keys[offsets[i]:offsets[i + 1]]``.
        sketches: ``uint64``, shape ``(samples, words)``.
    """

    keys: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]
    sketches: npt.NDArray[np.uint64]

    @classmethod
    def from_signatures(cls, signatures: Sequence[Signature]) -> Self:
        """End to end.

        Raises:
            PluginError: They have sketches of different lengths.
        """
        words = {len(each.sketch) for each in signatures}
        if len(words) > 1:
            raise PluginError(f"the plugin gives sketches of different lengths ({sorted(words)}); report it")
        lengths = [len(each.keys) for each in signatures]
        keys = [np.empty(0, np.uint64), *(np.asarray(each.keys, np.uint64) for each in signatures)]
        sketches = np.array([each.sketch for each in signatures], dtype=np.uint64)
        return cls(
            np.concatenate(keys),
            np.cumsum([0, *lengths], dtype=np.int64),
            sketches.reshape(len(signatures), words.pop() if words else 0),
        )

    @classmethod
    def joined(cls, tables: Sequence[SignatureTable]) -> Self:
        """Several tables as one.

        Raises:
            PluginError: They have sketches of different lengths.
        """
        filled = [table for table in tables if len(table)]
        if len({table.sketches.shape[1] for table in filled}) > 1:
            raise PluginError("signatures of different versions of a plugin cannot be compared; prepare all anew")
        starts = np.cumsum([0, *(len(table.keys) for table in filled)])
        offsets = [np.zeros(1, np.int64)]
        offsets += [table.offsets[1:] + start for table, start in zip(filled, starts[:-1], strict=True)]
        words = filled[0].sketches.shape[1] if filled else 0
        return cls(
            np.concatenate([np.empty(0, np.uint64), *(table.keys for table in filled)]),
            np.concatenate(offsets),
            np.concatenate([np.empty((0, words), np.uint64), *(table.sketches for table in filled)]),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what :meth:`save` wrote.

        Raises:
            FolderError: It is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                table = cls(arrays["keys"], arrays["offsets"], arrays["sketches"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FolderError(f"{path} is missing or damaged ({error}); prepare the corpus again") from error
        if table.offsets[-1] != len(table.keys) or len(table.sketches) != len(table):
            raise FolderError(f"{path} is damaged: its arrays do not belong together; prepare the corpus again")
        return table

    def save(self, path: Path) -> None:
        """Write a ``.npz`` file; not atomic by itself."""
        with path.open("wb") as file:
            np.savez(file, keys=self.keys, offsets=self.offsets, sketches=self.sketches, allow_pickle=False)

    def select(self, rows: npt.NDArray[np.int64]) -> Self:
        """The signatures of some samples, in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return type(self)(self.keys[np.repeat(self.offsets[rows], lengths) + inside], offsets, self.sketches[rows])

    def __len__(self) -> int:
        return len(self.offsets) - 1
