"""One checkpoint as a folder of files, each of which is known by its hash.

model.safetensors      weights
average.safetensors    averaged weights, where the run keeps them
optimizer.safetensors  state of the optimizer, absent where only the weights stayed
state.json             step, step of the best weights so far, notes, SHA-256 of the other files and of itself
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from weft.errors import FolderError
from weft.storage.atomic import write_json
from weft.storage.hashing import hash_file, hash_json

Tensors: TypeAlias = "Mapping[str, Any]"

SCHEMA: Final = 2
"""Of ``state.json``. The first, which has no number, knows the hash of the weights at most, and not which are best."""

MODEL, AVERAGE, OPTIMIZER, STATE = "model.safetensors", "average.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that a run needs to go on exactly where it was.

    Attributes:
        step: Optimizer steps done; the place in the schedule and in the data follow from it.
        model: Weights by name (torch tensors).
        optimizer: Optimizer state by name (torch tensors); empty where only weights were kept.
        notes: JSON-able figures (the best held-out loss so far, ...).
        average: Averaged weights by name (torch tensors); empty in a run that keeps none.
    """

    step: int
    model: Tensors
    optimizer: Tensors
    notes: Mapping[str, Any] = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Described:
    """What ``state.json`` says.

    Attributes:
        step: Of the checkpoint.
        notes: As they were saved.
        files: Name to SHA-256.
        best: Step of the best weights at that time, ``None`` before any were judged.
        schema: That it was written in.
    """

    step: int
    notes: Mapping[str, Any]
    files: Mapping[str, str]
    best: int | None
    schema: int


class DamagedCheckpoint(FolderError):
    """A checkpoint that is not what was saved.

    Attributes:
        folder: Of the checkpoint.
        reason: In a few words.
    """

    def __init__(self, folder: Path, reason: object) -> None:
        super().__init__(f"checkpoint {folder} is damaged ({reason}); restore the file, or train again")
        self.folder = folder
        self.reason = reason


def write_files(folder: Path, state: TrainingState, best: int | None) -> None:
    """Fill an empty folder; everything is on the disk when this returns.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    parts = {MODEL: state.model, OPTIMIZER: state.optimizer, **({AVERAGE: state.average} if state.average else {})}
    for name, tensors in parts.items():
        write_tensors(folder / name, tensors)
    described = {
        "schema": SCHEMA,
        "step": state.step,
        "best": best,
        "notes": dict(state.notes),
        "files": {name: hash_file(folder / name) for name in parts},
    }
    write_json(folder / STATE, {**described, "sha256": hash_json(described)})


def read_state(folder: Path) -> TrainingState:
    """A whole checkpoint, every file compared with its hash; ``optimizer`` is empty where only weights stayed.

    Raises:
        DamagedCheckpoint: A file is missing, or is not what was saved.
    """
    described = describe(folder)
    optimizer = _read_tensors(folder, OPTIMIZER, described) if has_optimizer(folder) else {}
    average = _read_tensors(folder, AVERAGE, described) if AVERAGE in described.files else {}
    model = _read_tensors(folder, MODEL, described)
    return TrainingState(described.step, model, optimizer, described.notes, average)


def read_weights(folder: Path) -> Tensors:
    """What generation uses: the averaged weights where there are some.

    Raises:
        DamagedCheckpoint: The file is missing, or is not what was saved.
    """
    described = describe(folder)
    return _read_tensors(folder, AVERAGE if AVERAGE in described.files else MODEL, described)


def has_optimizer(folder: Path) -> bool:
    """Whether training could go on from a checkpoint."""
    return (folder / OPTIMIZER).exists()


def describe(folder: Path) -> Described:
    """Read ``state.json``.

    Raises:
        DamagedCheckpoint: It is missing, or is not what was saved.
        FolderError: A newer Weft wrote it.
    """
    try:
        values = dict(json.loads((folder / STATE).read_text(encoding="utf-8")))
        schema = int(values.get("schema", 1))
        if schema > SCHEMA:
            raise FolderError(
                f"{folder / STATE} was written by a newer Weft (schema {schema}; this one reads up to {SCHEMA}); "
                f"upgrade weft"
            )
        described = _described_1(values) if schema < SCHEMA else _described(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(folder, _reason(error, STATE)) from error
    if folder.name != folder_name(described.step):
        raise DamagedCheckpoint(folder, f"{STATE} is of step {described.step}")
    return described


def folder_name(step: int) -> str:
    return f"step-{step:08d}"


def _described(values: dict[str, Any]) -> Described:
    if values.pop("sha256") != hash_json(values):
        raise ValueError(f"{STATE} is not what was saved")
    return Described(
        int(values["step"]), dict(values["notes"]), dict(values["files"]), values["best"], int(values["schema"])
    )


def _described_1(values: Mapping[str, Any]) -> Described:
    digest = values.get("weights_sha256")
    files = {} if digest is None else {MODEL: str(digest)}
    return Described(int(values["step"]), dict(values["notes"]), files, None, 1)


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a file that is on the disk when this returns.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    mode = path.stat().st_mode  # what the user's umask gives; the library makes files for their owner alone
    try:
        save_file(dict(tensors), path)
        path.chmod(mode)
    except SafetensorError as error:
        # Its own class is all that the library raises, whatever the disk said.
        raise _disk_error(error, path) from error
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _disk_error(error: Exception, path: Path) -> OSError:
    told = re.search(r"os error (\d+)", str(error))
    if told is None:
        return OSError(f"{path} cannot be written: {error}")
    return OSError(int(told[1]), os.strerror(int(told[1])), str(path))


def _read_tensors(folder: Path, name: str, described: Described) -> Tensors:
    from safetensors.torch import load_file

    path = folder / name
    expected = described.files.get(name)
    try:
        if expected is not None and hash_file(path) != expected:
            raise ValueError(f"{name} is not what was saved")
        return load_file(path)
    except Exception as error:
        raise DamagedCheckpoint(folder, _reason(error, name)) from error


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name} is missing"
    if isinstance(error, OSError):
        return f"{name}: {error.strerror or error}"
    return str(error) if name in str(error) else f"{name}: {error!r}"
