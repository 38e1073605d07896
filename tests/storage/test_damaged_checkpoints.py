"""Checkpoints that are damaged, processes that are killed while they save, and disks that are full."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from weft.errors import FolderError
from weft.storage.checkpoint_files import AVERAGE, MODEL, OPTIMIZER, STATE
from weft.storage.checkpoints import CheckpointStore, TrainingState
from weft.storage.hashing import hash_folder


def state(step: int, size: int = 3) -> TrainingState:
    weights = {"w": torch.full((2, size), float(step)), "b": torch.arange(3) + step}
    return TrainingState(step, weights, {"w/m": torch.zeros(4)}, {"best": {"loss": 0.5}}, {"w": weights["w"] / 2})


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Steps 1 (the best, weights alone), 2 and 3."""
    (tmp_path / "run").mkdir()
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    for step in (1, 2, 3):
        store.save(state(step), best=step == 1)
    return store


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """One bit, of what is still read as a file of its kind."""
    data = bytearray(path.read_bytes())
    place = data.index(b"0.5") + 2 if path.name == STATE else len(data) - 1
    data[place] ^= 1
    path.write_bytes(bytes(data))


WAYS: list[Callable[[Path], None]] = [cut, empty, flip, Path.unlink]
by_every_way = pytest.mark.parametrize("way", WAYS, ids=["cut", "empty", "flip", "unlink"])


@by_every_way
@pytest.mark.parametrize("name", [MODEL, AVERAGE, OPTIMIZER, STATE])
def test_training_goes_on_from_the_one_before(store: CheckpointStore, name: str, way: Callable[[Path], None]) -> None:
    way(store.path("last") / name)
    said: list[str] = []
    found = store.newest(said.append)
    assert found is not None
    assert torch.equal(found.model["w"], state(2).model["w"])
    (warning,) = said
    assert warning.startswith(f"checkpoint {store.folder / 'step-00000003'} is damaged ({name}")
    assert warning.endswith("going on from step-00000002, before it")


@by_every_way
@pytest.mark.parametrize("name", [AVERAGE, STATE])
@pytest.mark.parametrize(("which", "other"), [("last", 2), ("best", 3)])
def test_generation_uses_the_newest_that_is_whole(
    store: CheckpointStore, name: str, way: Callable[[Path], None], which: str, other: int
) -> None:
    folder = store.path(which)  # type: ignore[arg-type]
    way(folder / name)
    said: list[str] = []
    weights = store.weights(which, said.append)  # type: ignore[arg-type]
    assert torch.equal(weights["w"], state(other).average["w"])
    (warning,) = said
    assert warning.startswith(f"checkpoint {folder} is damaged ({name}")
    assert warning.endswith(f"step-0000000{other} is used instead")


def test_a_step_that_was_named_is_that_or_none(store: CheckpointStore) -> None:
    cut(store.path(2) / AVERAGE)
    with pytest.raises(FolderError, match=r"step-00000002 is damaged .*; restore the file, or train again"):
        store.weights(2, pytest.fail)


def test_no_optimizer_is_needed_to_generate(store: CheckpointStore) -> None:
    cut(store.path("last") / OPTIMIZER)
    assert torch.equal(store.weights("last", pytest.fail)["w"], state(3).average["w"])


def test_none_is_whole(store: CheckpointStore) -> None:
    for step in (2, 3):
        cut(store.path(step) / OPTIMIZER)
    with pytest.raises(FolderError) as found:
        store.newest(pytest.fail)
    assert "run cannot go on: none of its checkpoints is whole (of the last, optimizer.safetensors" in str(found.value)
    assert "\n" not in str(found.value)
    for step in (1, 2, 3):
        cut(store.path(step) / AVERAGE)
    with pytest.raises(FolderError, match="step-00000003 is damaged"):
        store.weights("last", pytest.fail)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"step": "x", "notes": {}}', '{"step": 3}', "[" * 9999])
def test_a_state_that_is_none(store: CheckpointStore, text: str) -> None:
    (store.path("last") / STATE).write_text(text)
    with pytest.raises(FolderError, match=r"step-00000003 is damaged \(.*state\.json"):
        store.load("last")


def test_the_state_of_another_step(store: CheckpointStore) -> None:
    shutil.copy(store.path(2) / STATE, store.path(3) / STATE)
    with pytest.raises(FolderError, match=r"step-00000003 is damaged \(state\.json is of step 2\)"):
        store.load("last")


def test_a_newer_weft_wrote_it(store: CheckpointStore) -> None:
    (store.path("last") / STATE).write_text('{"schema": 99}')
    with pytest.raises(FolderError, match="was written by a newer Weft"):
        store.newest(pytest.fail)


class TestTheFirstFormat:
    """Neither hashes of all files nor, in the checkpoint, which is best: ``pointers.json`` names it."""

    @pytest.fixture
    def old(self, store: CheckpointStore) -> CheckpointStore:
        for step in store.steps():
            (store.path(step) / AVERAGE).unlink()
            described = {"step": step, "notes": {"best": {"loss": 1.0}}}
            (store.path(step) / STATE).write_text(json.dumps(described))
        self.point(store, "step-00000001")
        return store

    def point(self, store: CheckpointStore, best: object) -> None:
        (store.folder / "pointers.json").write_text(json.dumps({"last": "step-00000003", "best": best}))

    def test_it_is_read(self, old: CheckpointStore) -> None:
        assert (old.step("last"), old.step("best")) == (3, 1)
        found = old.newest(pytest.fail)
        assert found is not None
        assert (found.step, found.notes, found.average) == (3, {"best": {"loss": 1.0}}, {})
        assert torch.equal(old.weights("best", pytest.fail)["w"], state(1).model["w"])

    def test_what_follows_is_of_the_present_format(self, old: CheckpointStore) -> None:
        old.save(state(4), best=False)
        assert not (old.folder / "pointers.json").exists()
        assert (old.step("last"), old.step("best"), old.steps()) == (4, 1, [1, 3, 4])

    def test_its_hash_of_the_weights_is_looked_at(self, old: CheckpointStore) -> None:
        described = {"step": 3, "notes": {}, "weights_sha256": "0" * 64}
        (old.path(3) / STATE).write_text(json.dumps(described))
        with pytest.raises(FolderError, match=r"damaged \(model\.safetensors is not what was saved\)"):
            old.load(3)

    @pytest.mark.parametrize("best", [3, None, "../../precious", "/etc", "..", "step-three"])
    def test_pointers_lead_nowhere_else(self, old: CheckpointStore, tmp_path: Path, best: object) -> None:
        """Files of checkpoints that need not stay are removed: a stranger's pointers must not name somebody else's."""
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / OPTIMIZER).write_bytes(b"keep me")
        self.point(old, best)
        with pytest.raises(FolderError, match=r"pointers\.json is damaged"):
            old.step("best")
        with pytest.raises(FolderError, match=r"pointers\.json is damaged"):
            old.save(state(4), best=False)
        assert (tmp_path / "precious" / OPTIMIZER).read_bytes() == b"keep me"


def saved_but_killed(store: CheckpointStore, moment: int) -> bool:
    """Save step 4 in a process of its own that is killed at its n-th change of the folder; whether it was."""
    process = os.fork()
    if process == 0:
        seen = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and "step-" in str(arguments[0]):
                seen += 1
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            store.save(state(4), best=True)
        finally:
            os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_any_moment_of_saving(store: CheckpointStore, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(store.folder, before)
    store.save(state(4), best=True)
    undisturbed = hash_folder(store.folder)
    found, moment = set(), 0
    while True:
        moment += 1
        shutil.rmtree(store.folder)
        shutil.copytree(before, store.folder)
        if not saved_but_killed(store, moment):
            break
        newest = store.newest(pytest.fail)
        assert newest is not None
        found.add(newest.step)
        store.save(state(4), best=True)
        assert hash_folder(store.folder) == undisturbed
    assert moment > 10
    assert found == {3, 4}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses what is written beyond this size, in the midst of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_no_room_for_a_file(store: CheckpointStore) -> None:
    before = hash_folder(store.folder)
    with largest_file(4096), pytest.raises(OSError, match=r"model\.safetensors") as found:
        store.save(state(4, size=10_000), best=True)
    assert found.value.errno == errno.EFBIG
    assert hash_folder(store.folder) == before


def test_no_room_for_what_never_changes(tmp_path: Path) -> None:
    """Where a run with adapters begins."""
    store = CheckpointStore(tmp_path / "checkpoints")
    with largest_file(4096), pytest.raises(OSError, match=r"frozen") as found:
        store.begin(state(0, size=10_000), frozenset(state(0).model))
    assert found.value.errno == errno.EFBIG


def test_a_folder_that_cannot_be_written(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_folder(store.folder)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(state(4), best=True)
    assert hash_folder(store.folder) == before
