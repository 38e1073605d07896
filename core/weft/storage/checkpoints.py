"""Checkpoints: weights, optimizer state and position, each folder complete before it is named.

checkpoints/
  step-00000120/    model.safetensors, optimizer.safetensors (absent where only the weights are kept), state.json
                    with the step, notes and the hash of the weights
  pointers.json     {"last": "step-00000120", "best": "step-00000100"}
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from weft.errors import FolderError
from weft.storage.atomic import write_bytes, write_json
from weft.storage.hashing import hash_bytes, hash_file

Tensors: TypeAlias = "Mapping[str, Any]"
Which = Literal["last", "best"]

_NAME = re.compile(r"step-\d{8,}")


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that a run needs to go on exactly where it was.

    Attributes:
        step: Optimizer steps done.
        model: Weights by name (torch tensors).
        optimizer: Optimizer state by name (torch tensors); empty where only weights were kept.
        notes: JSON-able figures (the best held-out loss so far, ...).
        average: Averaged weights by name, whole; empty where none are kept.
    """

    step: int
    model: Tensors
    optimizer: Tensors
    notes: Mapping[str, Any] = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)


class CheckpointStore:
    """The ``checkpoints`` folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: TrainingState, *, best: bool) -> None:
        """Write a checkpoint, make it the last (and the best), then drop what nothing points to."""
        from safetensors.torch import save

        name = f"step-{state.step:08d}"
        self.folder.mkdir(exist_ok=True)
        temporary = self.folder / f".{name}.partial"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        weights = save(dict(state.model))
        write_bytes(temporary / "model.safetensors", weights)
        write_bytes(temporary / "optimizer.safetensors", save(dict(state.optimizer)))
        described = {"step": state.step, "notes": state.notes, "weights_sha256": hash_bytes(weights)}
        write_json(temporary / "state.json", described)
        target = self.folder / name
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
        pointers = {"last": name, "best": name if best else self.pointers().get("best", name)}
        write_json(self.folder / "pointers.json", pointers)
        self._prune(pointers)

    def load(self, which: Which) -> TrainingState:
        """Read a checkpoint back.

        Raises:
            FolderError: There is none, or it is damaged.
        """
        from safetensors.torch import load_file

        folder = self.path(which)
        model = self.weights(which)
        state = _state(folder)
        try:
            optimizer = folder / "optimizer.safetensors"
            return TrainingState(
                int(state["step"]), model, load_file(optimizer) if optimizer.exists() else {}, state["notes"]
            )
        except Exception as error:
            raise _damaged(folder, error) from error

    def weights(self, which: Which) -> Tensors:
        """The weights alone, which is what generation needs.

        Raises:
            FolderError: There are none, they are damaged, or they are not those that were saved.
        """
        from safetensors.torch import load_file

        folder = self.path(which)
        # A checkpoint need not say it: the first that were written do not.
        expected = _state(folder).get("weights_sha256")
        path = folder / "model.safetensors"
        try:
            if expected is not None and hash_file(path) != expected:
                raise ValueError(f"{path.name} is not what was saved")
            return load_file(path)
        except Exception as error:
            raise _damaged(folder, error) from error

    def pointers(self) -> dict[str, str]:
        """``last`` and ``best`` to folder names; empty before the first checkpoint.

        Raises:
            FolderError: The file is damaged.
        """
        try:
            text = (self.folder / "pointers.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            found = json.loads(text)
            pointers = {which: str(found[which]) for which in ("last", "best")}
        except (ValueError, KeyError, TypeError) as error:
            raise FolderError(f"{self.folder / 'pointers.json'} is damaged: {error!r}") from error
        for name in pointers.values():
            # Pruning deletes what is not named, and part of what is: a name must not lead out of the folder.
            if not _NAME.fullmatch(name):
                raise FolderError(f"{self.folder / 'pointers.json'} is damaged: {name!r} is no checkpoint")
        return pointers

    def path(self, which: Which) -> Path:
        """Folder of a checkpoint.

        Raises:
            FolderError: The run has none yet.
        """
        name = self.pointers().get(which)
        if name is None:
            raise FolderError(f"{self.folder.parent} has no checkpoint yet; train it, or go on with --resume")
        return self.folder / name

    def step(self, which: Which) -> int:
        return int(self.path(which).name.removeprefix("step-"))

    def weights_sha256(self, which: Which) -> str:
        path = self.path(which) / "model.safetensors"
        if not path.exists():
            raise FolderError(f"checkpoint {path.parent} is incomplete: {path.name} is missing")
        return hash_file(path)

    def _prune(self, pointers: Mapping[str, str]) -> None:
        """Keep the last whole and of the best its weights."""
        for folder in self.folder.iterdir():
            if folder.is_dir() and folder.name not in pointers.values():
                shutil.rmtree(folder)
        if pointers["best"] != pointers["last"]:
            (self.folder / pointers["best"] / "optimizer.safetensors").unlink(missing_ok=True)


def _state(folder: Path) -> dict[str, Any]:
    """What ``state.json`` says."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return dict(state)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> FolderError:
    return FolderError(f"checkpoint {folder} is damaged ({error}); train again or restore the file")
