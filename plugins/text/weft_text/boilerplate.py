"""Lines that many documents share: menus, notices and footers of web pages."""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

import weft

_FEWEST = 3
_SHARE = 1000
_BLANK_LINES = re.compile(r"\n{3,}")


class SharedLines(weft.Boilerplate[str]):
    """Leaves out lines that are in too many documents, whatever their case and white space.

    After CCNet (Wenzek et al., 2019), which removes every paragraph that it saw before.

    Args:
        documents: In how many documents a line has to be; ``None`` is one in a thousand, and three at least.
    """

    def __init__(self, documents: int | None) -> None:
        self._documents = documents

    def limit(self, samples: int) -> int:
        return self._documents or max(_FEWEST, -(-samples // _SHARE))

    def parts(self, payload: str) -> npt.NDArray[np.uint64]:
        """A hash for each different line that is not blank."""
        hashes = dict.fromkeys(hash_line(line) for line in payload.split("\n") if line.strip())
        return np.array(list(hashes), dtype=np.uint64)

    def without(self, payload: str, shared: Collection[int]) -> str:
        kept = [line for line in payload.split("\n") if not line.strip() or hash_line(line) not in shared]
        return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip("\n")


def hash_line(line: str) -> int:
    """64 bits."""
    normal = " ".join(line.casefold().split()).encode("utf-8")
    return int.from_bytes(blake2b(normal, digest_size=8).digest(), "little")
