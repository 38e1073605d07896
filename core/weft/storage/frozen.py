"""Weights that never change during a run, kept once beside its checkpoints: ``checkpoints/frozen-HASH.safetensors``.

The name is what verifies the file, so that it needs no other. A run whose weights all change has none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from weft.errors import FolderError
from weft.storage.checkpoint_files import write_tensors
from weft.storage.hashing import hash_file

_DIGITS = 16


def write_frozen(folder: Path, tensors: dict[str, Any]) -> None:
    """Write weights that never change into a ``checkpoints`` folder that is being made; no file for none.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    if not tensors:
        return
    path = folder / "frozen.partial"
    write_tensors(path, tensors)
    path.rename(folder / f"frozen-{hash_file(path)[:_DIGITS]}.safetensors")


def frozen_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that are kept once, by the header of the file alone.

    Raises:
        FolderError: The file is damaged.
    """
    from safetensors import safe_open

    path = _path(folder)
    if path is None:
        return {}
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise _damaged(path) from error


def frozen_count(folder: Path) -> int:
    """How many numbers are kept once."""
    return sum(map(math.prod, frozen_shapes(folder).values()))


def read_frozen(folder: Path) -> dict[str, Any]:
    """The weights themselves (torch tensors by name); empty where there are none.

    Raises:
        FolderError: The file is not what was written.
    """
    from safetensors.torch import load_file

    path = _path(folder)
    if path is None:
        return {}
    try:
        if hash_file(path)[:_DIGITS] != path.stem.removeprefix("frozen-"):
            raise _damaged(path)
        return load_file(path)
    except OSError as error:
        raise _damaged(path) from error


def _path(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("frozen-*.safetensors"))), None)


def _damaged(path: Path) -> FolderError:
    return FolderError(f"{path} is not what was written when the run began; restore the file, or train again")
