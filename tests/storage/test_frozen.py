"""Weights that never change are kept once, and are there whenever a checkpoint is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import weft
from weft.storage.checkpoints import CheckpointStore, TrainingState
from weft.storage.frozen import frozen_count, read_frozen

BASE = {"big": torch.arange(10_000.0), "table": torch.ones(3, 4)}
FIRST = TrainingState(0, {**BASE, "small": torch.zeros(5)}, {})


def later(step: int, **fields: object) -> TrainingState:
    state = TrainingState(step, {**BASE, "small": torch.full((5,), float(step))}, {"small/m": torch.ones(5)})
    return replace(state, **fields)  # type: ignore[arg-type]


def quiet(_: str) -> None:
    raise AssertionError("nothing is damaged")


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(tmp_path / "checkpoints")
    store.begin(FIRST, frozenset(BASE))
    return store


def test_the_first_checkpoint_can_be_gone_on_from(store: CheckpointStore) -> None:
    state = store.newest(quiet)
    assert state is not None
    assert (state.step, dict(state.optimizer)) == (0, {})
    assert state.model.keys() == FIRST.model.keys()
    assert all(torch.equal(state.model[name], FIRST.model[name]) for name in FIRST.model)


def test_later_ones_hold_what_changes_alone(store: CheckpointStore) -> None:
    folder = store.save(later(8), best=True)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000
    assert frozen_count(store.folder) == 10_012
    state = store.load("last")
    assert state.model.keys() == FIRST.model.keys()
    assert torch.equal(state.model["big"], BASE["big"])
    assert torch.equal(store.weights("best", quiet)["small"], torch.full((5,), 8.0))


def test_averages_hold_it_once_too(store: CheckpointStore) -> None:
    average = {**BASE, "small": torch.full((5,), 0.5)}
    folder = store.save(later(8, average=average), best=True)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000
    weights = store.weights("best", quiet)
    assert weights.keys() == FIRST.model.keys()
    assert torch.equal(weights["small"], average["small"])


def test_it_stays_however_many_checkpoints_come(store: CheckpointStore) -> None:
    for step in range(1, 6):
        store.save(later(step), best=False)
    assert set(read_frozen(store.folder)) == set(BASE)


def test_a_run_whose_weights_all_change_has_none(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints")
    store.begin(FIRST)
    assert [path.name for path in store.folder.iterdir()] == ["step-00000000"]
    assert store.load("last").model.keys() == FIRST.model.keys()


@pytest.mark.parametrize("damage", [b"", b"changed"])
def test_damage_is_told(store: CheckpointStore, damage: bytes) -> None:
    (path,) = store.folder.glob("frozen-*")
    path.write_bytes(damage + path.read_bytes()[1:] if damage else damage)
    with pytest.raises(weft.FolderError, match=r"frozen-.* is not what was written when the run began"):
        store.weights("last", quiet)
