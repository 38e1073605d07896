"""Checkpoints: what was saved comes back, and those that are asked for stay."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import FolderError, OptionError
from weft.storage.checkpoint_files import AVERAGE, MODEL, OPTIMIZER, STATE
from weft.storage.checkpoints import CheckpointStore, TrainingState, parse_which
from weft.storage.hashing import hash_file
from weft.storage.keep import Keep

FILES = {MODEL, AVERAGE, OPTIMIZER, STATE}


def state(step: int, *, averaged: bool = True, size: int = 3) -> TrainingState:
    weights = {"w": torch.full((2, size), float(step)), "b": torch.arange(3) + step}
    average = {"w": torch.full((2, size), step / 2), "b": torch.arange(3)} if averaged else {}
    optimizer = {"w/momentum": torch.full((4,), -float(step))}
    return TrainingState(step, weights, optimizer, {"best": {"loss": step / 7}}, average)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    (tmp_path / "run").mkdir()
    return CheckpointStore(tmp_path / "run" / "checkpoints")


def silent(message: str) -> None:
    raise AssertionError(f"nothing should be said, but: {message}")


def folders(store: CheckpointStore) -> dict[int, set[str]]:
    """Step to the files that its checkpoint has; there must be nothing else."""
    found = {path.name: {file.name for file in path.iterdir()} for path in store.folder.iterdir()}
    return {int(name.removeprefix("step-")): files for name, files in found.items()}


def test_what_was_saved_comes_back(store: CheckpointStore) -> None:
    assert store.save(state(5), best=True) == store.path("last") == store.folder / "step-00000005"
    found = store.newest(silent)
    assert found is not None
    assert found.step == 5
    assert found.notes == {"best": {"loss": 5 / 7}}
    for part in ("model", "optimizer", "average"):
        before, after = getattr(state(5), part), getattr(found, part)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    assert found.model["b"].dtype == torch.int64
    assert (store.step("last"), store.step("best"), store.step(5)) == (5, 5, 5)
    assert store.weights_sha256("last") == hash_file(store.path("last") / MODEL)


def test_generation_uses_averaged_weights_where_there_are_some(store: CheckpointStore) -> None:
    store.save(state(4, averaged=False), best=True)
    assert torch.equal(store.weights("last", silent)["w"], state(4).model["w"])
    assert AVERAGE not in folders(store)[4]
    store.save(state(5), best=False)
    assert torch.equal(store.weights("last", silent)["w"], state(5).average["w"])
    assert torch.equal(store.weights("best", silent)["w"], state(4).model["w"])


saves = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=10)


@given(saves=saves, last=st.integers(1, 4), every=st.none() | st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_which_checkpoints_stay(
    saves: list[tuple[int, bool]], last: int, every: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The last few whole; of the best and of every n-th the weights; nothing else."""
    store = CheckpointStore(tmp_path_factory.mktemp("run") / "checkpoints")
    steps, best, step = [], None, 0
    for gap, improved in saves:
        step += gap
        steps.append(step)
        best = step if improved else best
        store.save(state(step), best=improved, keep=Keep(last, every))
    expected = dict.fromkeys(steps[-last:], FILES)
    for each in steps[:-last]:
        if each == best or (every is not None and each % every == 0):
            expected[each] = FILES - {OPTIMIZER}
    assert folders(store) == expected
    assert store.step("last") == step
    assert store.step("best") == (step if best is None else best)
    assert all(bool(store.load(each).optimizer) == (OPTIMIZER in files) for each, files in expected.items())


@pytest.mark.parametrize("options", [{"last": 0}, {"last": -1}, {"every": 0}])
def test_nothing_cannot_be_kept(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="must be at least 1"):
        Keep(**options)


def test_a_step_that_was_not_kept(store: CheckpointStore) -> None:
    for step in (1, 2, 3):
        store.save(state(step), best=step == 1)
    with pytest.raises(OptionError, match="run kept no checkpoint of step 7; it has 1, 2, 3"):
        store.weights(7, silent)


@pytest.mark.parametrize(("given", "meant"), [("best", "best"), ("last", "last"), ("120", 120), (7, 7), ("007", 7)])
def test_naming_a_checkpoint(given: str | int, meant: str | int) -> None:
    assert parse_which(given) == meant


@pytest.mark.parametrize("given", ["", "first", "-1", "1.5", "²", True])
def test_naming_none(given: str) -> None:
    with pytest.raises(OptionError, match="checkpoint must be 'best', 'last' or the number of a step, got"):
        parse_which(given)


class TestGoingBack:
    """Training that goes on from an earlier step takes back what came after it."""

    def test_later_checkpoints_go_with_the_first_save(self, store: CheckpointStore) -> None:
        for step in (1, 2, 3, 4):
            store.save(state(step), best=step in (1, 4), keep=Keep(4))
        store.save(state(3), best=False, keep=Keep(4))
        assert sorted(folders(store)) == [1, 2, 3]
        assert store.step("best") == 1

    def test_the_same_step_is_replaced(self, store: CheckpointStore) -> None:
        store.save(state(2), best=True)
        (store.path(2) / MODEL).write_bytes(b"damaged")
        store.save(state(2), best=True)
        assert torch.equal(store.load(2).model["w"], state(2).model["w"])
        assert folders(store) == {2: FILES}


def test_there_is_none_yet(store: CheckpointStore) -> None:
    assert store.steps() == []
    assert store.newest(silent) is None
    for ask in (store.load, store.path, store.step, store.weights_sha256, store.described):
        with pytest.raises(FolderError, match="run has no checkpoint yet; train it, or go on with --resume"):
            ask("last")
    store.tidy(Keep())
    assert not store.folder.exists()


def test_what_others_put_there_stays(store: CheckpointStore) -> None:
    """Only what has the name of a checkpoint is one, and may be removed."""
    store.save(state(1), best=True)
    for name in ("step-3", "mine", ".step-00000009.partial.txt"):
        (store.folder / name).mkdir()
    for step in (2, 3, 4):
        store.save(state(step), best=False)
    assert store.steps() == [1, 3, 4]
    assert {"step-3", "mine", ".step-00000009.partial.txt"} < {path.name for path in store.folder.iterdir()}


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are those of POSIX")
def test_others_may_read_what_the_umask_lets_them_read(store: CheckpointStore) -> None:
    before = os.umask(0o022)
    try:
        saved = store.save(state(1), best=True)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o644}
