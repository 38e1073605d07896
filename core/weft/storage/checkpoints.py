"""The checkpoints of a run: each folder complete before it has its name, the newest ones whole.

checkpoints/
  step-00000120/    see weft.storage.checkpoint_files
  frozen-HASH...    see weft.storage.frozen

One rename makes a checkpoint: its name says the step, and it says itself which weights were best by then.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from weft.errors import FolderError, OptionError
from weft.storage.atomic import sync_folder
from weft.storage.checkpoint_files import (
    MODEL,
    OPTIMIZER,
    DamagedCheckpoint,
    Described,
    Tensors,
    TrainingState,
    describe,
    folder_name,
    has_optimizer,
    read_state,
    read_weights,
    write_files,
)
from weft.storage.frozen import frozen_shapes, read_frozen, write_frozen
from weft.storage.hashing import hash_file
from weft.storage.keep import Keep, kept

__all__ = ["CheckpointStore", "Tensors", "TrainingState", "Which", "parse_which"]

Which: TypeAlias = "Literal['last', 'best'] | int"
"""``best`` on held-out data, ``last``, or the step of one that was kept."""

Warn = Callable[[str], None]

_NAME = re.compile(r"step-(\d{8,})")
_UNFINISHED = re.compile(r"\.step-\d{8,}(\.old)?\.partial")
_POINTERS: Final = "pointers.json"
"""Named the last and the best of runs whose checkpoints have no schema."""


def parse_which(value: str | int) -> Which:
    """``best``, ``last`` or a step, as a user gives it.

    Raises:
        OptionError: It is none of these.
    """
    if value in ("best", "last"):
        return value  # type: ignore[return-value]
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit():
        raise OptionError(f"checkpoint must be 'best', 'last' or the number of a step, got {value!r}")
    return int(value)


class CheckpointStore:
    """The ``checkpoints`` folder of a run. Of several processes one alone may save."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, state: TrainingState, frozen: Collection[str] = ()) -> None:
        """Write the first checkpoint of a run that does not begin with random weights.

        Args:
            state: What it begins with.
            frozen: Names of weights that will never change: they are kept once, and are in no checkpoint.
        """
        self.folder.mkdir(exist_ok=True)
        write_frozen(self.folder, {name: state.model[name] for name in frozen})
        self.save(state, best=False)

    def save(self, state: TrainingState, *, best: bool, keep: Keep = Keep()) -> Path:  # noqa: B008
        """Write a checkpoint, then drop what need not stay; those of later steps too, which training went back from.

        Args:
            state: What to save.
            best: Whether these weights did best on held-out data so far.
            keep: Which ones stay.

        Returns:
            Its folder.

        Raises:
            OSError: The disk is full, or cannot be written. The checkpoints that there were are as before.
        """
        self.folder.mkdir(exist_ok=True)
        target = self._path(state.step)
        temporary = target.with_name(f".{target.name}.partial")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            write_files(temporary, self._without_frozen(state), state.step if best else self._best_before(state.step))
            self._set_aside(target)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(self.folder)
        (self.folder / _POINTERS).unlink(missing_ok=True)
        for step in self.steps():
            if step > state.step:
                self._set_aside(self._path(step))
        self.tidy(keep)
        return target

    def tidy(self, keep: Keep) -> None:
        """Remove what a process that was killed left behind, and what need not stay."""
        if not self.steps():
            return
        stays = kept(self.steps(), self._best(), keep)
        for step in self.steps():
            if step in stays.weights:
                (self._path(step) / OPTIMIZER).unlink(missing_ok=True)
            elif step not in stays.whole:
                self._set_aside(self._path(step))
        for path in self.folder.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def newest(self, warn: Warn) -> TrainingState | None:
        """The newest checkpoint that training can go on from, ``None`` before the first.

        Args:
            warn: Told of one that is damaged, and of what is used instead.

        Raises:
            FolderError: There are some, and none is whole.
        """
        first: DamagedCheckpoint | None = None
        for step in reversed(self.steps()):
            path = self._path(step)
            try:
                if not has_optimizer(path):
                    raise DamagedCheckpoint(path, f"{OPTIMIZER} is missing")
                state = self._read(path)
            except DamagedCheckpoint as error:
                first = first or error
                continue
            if first is not None:
                warn(f"checkpoint {first.folder} is damaged ({first.reason}): going on from {path.name}, before it")
            return state
        if first is None:
            return None
        raise FolderError(
            f"{self.folder.parent} cannot go on: none of its checkpoints is whole (of the last, {first.reason}); "
            f"copy the whole folder, or train into a new one"
        ) from first

    def weights(self, which: Which, warn: Warn) -> Tensors:
        """The weights alone, averaged ones where there are some, which is what generation needs.

        Args:
            which: A damaged ``last`` or ``best`` is replaced by the newest that is whole; a step that was named is not.
            warn: Told of that.

        Raises:
            FolderError: There are none, or they are damaged.
            OptionError: No checkpoint of that step was kept.
        """
        return self.step_and_weights(which, warn)[1]

    def step_and_weights(self, which: Which, warn: Warn) -> tuple[int, Tensors]:
        """As :meth:`weights`, with the step of those that were read, which may be another than was asked for."""
        step = self.step(which)
        try:
            return step, self._read_weights(self._path(step))
        except DamagedCheckpoint as error:
            if isinstance(which, int):
                raise
            for other, weights in self._readable_weights():
                warn(f"checkpoint {self._path(step)} is damaged ({error.reason}): {folder_name(other)} is used instead")
                return other, weights
            raise

    def load(self, which: Which) -> TrainingState:
        """Read one checkpoint back; ``optimizer`` is empty where only its weights were kept.

        Raises:
            FolderError: There is none, or it is damaged.
            OptionError: No checkpoint of that step was kept.
        """
        return self._read(self.path(which))

    def steps(self) -> list[int]:
        """Of the checkpoints there are, rising."""
        if not self.folder.is_dir():
            return []
        names = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(name[1]) for name in names if name is not None)

    def step(self, which: Which) -> int:
        """Step of a checkpoint; ``best`` is the last where none was judged.

        Raises:
            FolderError: The run has none yet.
            OptionError: No checkpoint of that step was kept.
        """
        steps = self.steps()
        if not steps:
            raise FolderError(f"{self.folder.parent} has no checkpoint yet; train it, or go on with --resume")
        if which == "last":
            return steps[-1]
        if which == "best":
            best = self._best()
            return steps[-1] if best is None else best
        if which not in steps:
            raise OptionError(
                f"{self.folder.parent} kept no checkpoint of step {which}; it has {', '.join(map(str, steps))}"
            )
        return which

    def path(self, which: Which) -> Path:
        """Folder of a checkpoint; raises as :meth:`step`."""
        return self._path(self.step(which))

    def described(self, which: Which) -> Described:
        """What a checkpoint says of itself; raises as :meth:`load`."""
        return describe(self.path(which))

    def weights_sha256(self, which: Which) -> str:
        """Digest of the weights that were trained; raises as :meth:`step`."""
        path = self.path(which) / MODEL
        if not path.exists():
            raise FolderError(f"checkpoint {path.parent} is incomplete: {path.name} is missing")
        return hash_file(path)

    def _without_frozen(self, state: TrainingState) -> TrainingState:
        frozen = frozen_shapes(self.folder)
        model, average = (
            {name: tensor for name, tensor in tensors.items() if name not in frozen}
            for tensors in (state.model, state.average)
        )
        return replace(state, model=model, average=average)

    def _read(self, path: Path) -> TrainingState:
        state = read_state(path)
        return replace(state, model={**state.model, **read_frozen(self.folder)})

    def _read_weights(self, path: Path) -> Tensors:
        return {**read_weights(path), **read_frozen(self.folder)}

    def _path(self, step: int) -> Path:
        return self.folder / folder_name(step)

    def _best(self) -> int | None:
        """Step of the best weights, by the newest checkpoint that can say it and where they still are."""
        steps = self.steps()
        return self._best_before(steps[-1] + 1) if steps else None

    def _best_before(self, step: int) -> int | None:
        for earlier in reversed([each for each in self.steps() if each < step]):
            try:
                described = describe(self._path(earlier))
            except DamagedCheckpoint:
                continue
            best = self._best_pointed_at() if described.schema == 1 else described.best
            return best if best is None or self._path(best).is_dir() else None
        return None

    def _best_pointed_at(self) -> int | None:
        path = self.folder / _POINTERS
        try:
            name = _NAME.fullmatch(json.loads(path.read_text(encoding="utf-8"))["best"])
        except (OSError, ValueError, KeyError, TypeError):
            name = None
        if name is None:
            raise FolderError(f"{path} is damaged: it does not say which checkpoint is best; restore the file")
        return int(name[1])

    def _readable_weights(self) -> Iterator[tuple[int, Tensors]]:
        """From the newest to the oldest."""
        for step in reversed(self.steps()):
            try:
                weights = self._read_weights(self._path(step))
            except DamagedCheckpoint:
                continue
            yield step, weights

    def _set_aside(self, path: Path) -> None:
        """Take a checkpoint's name from it: killed while files are removed, no half of it has one."""
        if not path.exists():
            return
        old = path.with_name(f".{path.name}.old.partial")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
