"""Checkpoints: the last and the best are kept, whole, and damage is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from weft.errors import FolderError
from weft.storage.checkpoints import CheckpointStore, TrainingState
from weft.storage.hashing import hash_file


def state(step: int) -> TrainingState:
    weights = {"w": torch.full((2, 3), float(step)), "b": torch.arange(3) + step}
    return TrainingState(step, weights, {"0.0.momentum": torch.full((4,), -float(step))}, {"best": {"loss": step / 7}})


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "run" / "checkpoints")


@pytest.fixture(autouse=True)
def parent(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()


def names(store: CheckpointStore) -> set[str]:
    return {str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file()}


def whole(step: int) -> set[str]:
    return {f"step-{step:08d}/{name}" for name in ("model.safetensors", "optimizer.safetensors", "state.json")}


def test_what_was_saved_comes_back(store: CheckpointStore) -> None:
    store.save(state(5), best=True)
    found = store.load("last")
    assert found.step == 5
    assert found.notes == {"best": {"loss": 5 / 7}}
    assert torch.equal(found.model["w"], state(5).model["w"])
    assert found.model["b"].dtype == torch.int64
    assert torch.equal(found.optimizer["0.0.momentum"], state(5).optimizer["0.0.momentum"])
    assert (store.step("last"), store.step("best")) == (5, 5)
    assert store.weights_sha256("last") == hash_file(store.path("last") / "model.safetensors")


@given(bests=st.lists(st.booleans(), min_size=1, max_size=8))
@settings(max_examples=10, deadline=None)
def test_the_last_is_kept_whole_and_of_the_best_its_weights(
    bests: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = CheckpointStore(tmp_path_factory.mktemp("run") / "checkpoints")
    for step, best in enumerate(bests, start=1):
        store.save(state(step), best=best)
    last, best_step = len(bests), max((i for i, best in enumerate(bests, start=1) if best), default=0) or 1
    weights_only = {f"step-{best_step:08d}/model.safetensors", f"step-{best_step:08d}/state.json"}
    assert names(store) == {"pointers.json", *whole(last), *weights_only}
    assert (store.load("last").step, store.load("best").step) == (last, best_step)
    assert bool(store.load("best").optimizer) == (best_step == last)


def test_a_step_may_be_saved_again(store: CheckpointStore) -> None:
    """Killed between the folder and its name, a run comes by the same step once more."""
    store.save(state(1), best=True)
    (store.folder / "step-00000002").mkdir()
    (store.folder / "step-00000002" / "model.safetensors").write_bytes(b"half")
    (store.folder / ".step-00000002.partial").mkdir()
    (store.folder / ".step-00000002.partial" / "model.safetensors").write_bytes(b"half")
    store.save(state(2), best=False)
    assert store.load("last").step == 2
    assert {path.name for path in store.folder.iterdir()} == {"step-00000001", "step-00000002", "pointers.json"}


def test_there_is_none_yet(store: CheckpointStore) -> None:
    assert store.pointers() == {}
    for ask in (store.load, store.path, store.step, store.weights_sha256):
        with pytest.raises(FolderError, match="run has no checkpoint yet; train it, or go on with --resume"):
            ask("last")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("size", [0, 1, 40])
def test_a_file_that_is_cut_off(store: CheckpointStore, name: str, size: int) -> None:
    store.save(state(3), best=True)
    path = store.path("last") / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FolderError, match=r"checkpoint .*step-00000003 is damaged"):
        store.load("last")


def test_weights_alone_need_no_optimizer(store: CheckpointStore) -> None:
    store.save(state(3), best=True)
    (store.path("last") / "optimizer.safetensors").write_bytes(b"damaged")
    assert torch.equal(store.weights("last")["w"], state(3).model["w"])
    (store.path("last") / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(FolderError, match=r"checkpoint .*step-00000003 is damaged"):
        store.weights("last")


@pytest.mark.parametrize("use", ["load", "weights"])
def test_weights_that_are_readable_but_not_those_that_were_saved(store: CheckpointStore, use: str) -> None:
    store.save(state(3), best=True)
    path = store.path("last") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    load_file(path)
    with pytest.raises(FolderError, match=r"step-00000003 is damaged \(model.safetensors is not what was saved\)"):
        getattr(store, use)("last")


def test_a_checkpoint_without_a_hash_is_read(store: CheckpointStore) -> None:
    store.save(state(3), best=True)
    path = store.path("last") / "state.json"
    described = json.loads(path.read_text())
    assert described.pop("weights_sha256") == store.weights_sha256("last")
    path.write_text(json.dumps(described))
    assert torch.equal(store.load("last").model["w"], state(3).model["w"])


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_a_file_that_is_missing(store: CheckpointStore, name: str) -> None:
    store.save(state(3), best=True)
    (store.path("last") / name).unlink()
    with pytest.raises(FolderError, match=r"checkpoint .*step-00000003 is damaged"):
        store.load("last")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"step": "x", "notes": {}}', '{"step": 3}', "null"])
def test_a_state_that_is_none(store: CheckpointStore, text: str) -> None:
    store.save(state(3), best=True)
    (store.path("last") / "state.json").write_text(text)
    with pytest.raises(FolderError, match="is damaged"):
        store.load("last")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        '{"last": 3, "best": "step-00000003"}',
        '{"last": "../../other/checkpoints/step-00000003", "best": "step-00000003"}',
        '{"last": "step-00000003", "best": "/etc"}',
        '{"last": "step-00000003", "best": ".."}',
        '{"last": "step-three", "best": "step-00000003"}',
        '{"last": "step-00000003"}',
        '{"best": "step-00000003"}',
        "{}",
    ],
)
def test_pointers_that_are_none(store: CheckpointStore, text: str) -> None:
    store.save(state(3), best=True)
    (store.folder / "pointers.json").write_text(text)
    for ask in (store.load, store.path, store.step, store.weights_sha256):
        with pytest.raises(FolderError, match=r"pointers.json is damaged"):
            ask("last")


def test_pointers_cannot_lead_out_of_the_run(store: CheckpointStore, tmp_path: Path) -> None:
    """Pruning deletes files: a stranger's pointers must not name somebody else's."""
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "optimizer.safetensors").write_bytes(b"keep me")
    store.save(state(3), best=True)
    pointers = {"last": "step-00000003", "best": "../../precious"}
    (store.folder / "pointers.json").write_text(json.dumps(pointers))
    with pytest.raises(FolderError, match=r"pointers.json is damaged"):
        store.save(state(4), best=False)
    assert (outside / "optimizer.safetensors").read_bytes() == b"keep me"
