"""Accumulation and processes change nothing; with real processes, over gloo."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.training.feeding import micro_batches
from weft.training.world import World

SCRIPT = Path(__file__).with_name("processes.py")


Case = tuple[str, Path, dict[str, Any]]


def launch(cases: Sequence[Case], processes: int = 1, *, fails: bool = False) -> str:
    """Run cases of processes.py, one after another, in so many processes; their errors."""
    alone = [sys.executable]
    several = [*alone, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [
            *(several if processes > 1 else alone),
            str(SCRIPT),
            json.dumps([(case, str(out), options) for case, out, options in cases]),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert bool(done.returncode) == fails, done.stderr[:6000]
    return done.stderr


def arrays(out: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(out, allow_pickle=False) as file:
        return dict(file)


def distance(one: Mapping[str, npt.NDArray[Any]], other: Mapping[str, npt.NDArray[Any]]) -> float:
    """Between two sets of arrays, as a share of the norm of the second."""
    assert one.keys() == other.keys()
    apart = sum(float(np.square(one[name] - other[name]).sum()) for name in one)
    return float(np.sqrt(apart / sum(float(np.square(value).sum()) for value in other.values())))


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "limit"), [("float64", 1e-10), ("float32", 1e-5)])
def test_gradients_do_not_depend_on_accumulation_or_processes(dtype: str, limit: float, tmp_path: Path) -> None:
    """On ragged batches: 13 documents of unequal length, accumulated once, twice and four times, in one and two
    processes, and sharded."""
    ways: dict[int, dict[str, dict[str, Any]]] = {
        1: {"whole": {"micro": 13}, "1-2": {"micro": 7}, "1-4": {"micro": 4}},
        2: {
            "2-1": {"micro": 7},
            "2-2": {"micro": 4},
            "2-4": {"micro": 2},
            "2-2-full": {"micro": 4, "shard": "full"},
        },
    }
    common = {"dtype": dtype, "size": 13}
    for processes, named in ways.items():
        launch([("gradients", tmp_path / f"{n}.npz", {**common, **way}) for n, way in named.items()], processes)
    whole = arrays(tmp_path / "whole.npz")
    assert len(whole) > 10
    for name in [*ways[1], *ways[2]]:
        assert distance(arrays(tmp_path / f"{name}.npz"), whole) < limit, name


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_sharded_weights_are_those_of_one_process(optimizer: str, tmp_path: Path) -> None:
    options = {"optimizer": optimizer, "ema": 0.9}
    launch([("weights", tmp_path / "one.npz", options)])
    several: list[Case] = [("weights", tmp_path / f"{way}.npz", {**options, "shard": way}) for way in ("none", "full")]
    launch(several, processes=2)
    one = arrays(tmp_path / "one.npz")
    assert any(name.startswith("average/") for name in one)
    for _, path, _ in several:
        assert distance(arrays(path), one) < 1e-12, path.stem


@pytest.mark.slow
def test_sharded_adapters_are_those_of_one_process(tmp_path: Path) -> None:
    """That of the table too; all else stays as it was."""
    options = {"optimizer": "adamw", "ema": 0.9, "adapter_rank": 2}
    launch([("weights", tmp_path / "begun.npz", {**options, "steps": 0}), ("weights", tmp_path / "one.npz", options)])
    launch([("weights", tmp_path / "full.npz", {**options, "shard": "full"})], processes=2)
    begun, one, full = (arrays(tmp_path / f"{name}.npz") for name in ("begun", "one", "full"))
    assert begun.keys() == one.keys() == full.keys()
    moved = {name for name in one if name != "loss" and not np.array_equal(one[name], begun[name])}
    assert moved == {name for name in one if ".adapter." in name}
    assert {"embedding.adapter.up", "average/embedding.adapter.down"} <= moved
    assert all(np.array_equal(full[name], begun[name]) for name in one.keys() - moved - {"loss"})
    for name in moved | {"loss"}:
        assert distance({name: full[name]}, {name: one[name]}) < 1e-12, name


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["none", "full"])
def test_from_one_process_to_two_and_back_no_example_is_lost_or_repeated(shard: str, tmp_path: Path) -> None:
    for until, processes in ((4, 1), (8, 2), (12, 1)):
        launch([("piece", tmp_path, {"until": until, "shard": shard})], processes)
    seen = [int(line) for path in tmp_path.glob("seen-*.txt") for line in path.read_text().split()]
    assert len(seen) == 12 * 5
    counts = Counter(seen)
    assert set(counts) == set(range(23))
    assert {*counts.values()} <= {2, 3}  # 60 examples are two epochs of 23 and part of a third


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "shard", "cause"),
    [("raises", "none", "exitcode  : 1 "), ("killed", "full", "Signal 9 (SIGKILL)")],
)
def test_where_one_process_fails_the_others_say_nothing(how: str, shard: str, cause: str, tmp_path: Path) -> None:
    said = launch([("failing", tmp_path, {"how": how, "shard": shard})], processes=2, fails=True)
    own, _, launcher = said.partition("closing signal SIGTERM")
    errors = re.findall(r"^(?:\[rank\d\]: )?(?:\w+\.)*\w+Error\b.*", own, re.MULTILINE)
    assert errors == (["[rank1]: ValueError: the moon is in the way"] if how == "raises" else [])
    assert "gloo" not in said
    assert cause in launcher.partition("Root Cause")[2]
    assert re.search(r"rank +: 1 ", launcher.partition("Root Cause")[2])


@given(count=st.integers(1, 60), size=st.integers(1, 9), micro=st.integers(1, 20) | st.none(), first=st.integers(0, 99))
def test_every_position_is_computed_once(count: int, size: int, micro: int | None, first: int) -> None:
    positions = range(first, first + count)
    shares = [micro_batches(positions, World(rank, size), micro) for rank in range(size)]
    assert [p for share in shares for part, counted in share if counted for p in part] == list(positions)
    assert len({len(share) for share in shares}) == 1
    assert all(0 < len(part) <= (micro or count) for share in shares for part, _ in share)
