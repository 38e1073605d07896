"""What is chosen for a device, and that it can be chosen otherwise."""

from __future__ import annotations

import pytest
import torch

from weft.training import precision
from weft.training.precision import SHORTEST_COMPILED, WIDEST_COMPILED, choose_compile, choose_precision

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize("device", [CPU, CUDA, MPS])
def test_what_is_asked_for_is_done(device: torch.device) -> None:
    assert choose_precision("bfloat16", device).value == "bfloat16"
    assert choose_precision("float32", device).value is None
    assert choose_compile(True, device, 0.1, 4096).value
    assert not choose_compile(False, device, None, 64).value
    assert choose_compile(True, device, None, 64).reason == "as asked for"
    chosen = choose_compile(None, device, 0.1, 64)
    assert (chosen.why(False), chosen.why(True)) == (chosen.reason, "as asked for")


@pytest.mark.parametrize("device", [CPU, MPS])
def test_without_a_gpu_precision_is_full(device: torch.device) -> None:
    assert choose_precision(None, device).value is None


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_has_mixed_precision_where_it_can(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    assert choose_precision(None, CUDA).value == ("bfloat16" if supported else None)


def test_a_gpu_compiles_long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: object())
    assert choose_compile(None, CUDA, None, 1024).value
    assert choose_compile(None, CUDA, SHORTEST_COMPILED, 1024).value
    short = choose_compile(None, CUDA, 2.0, 1024)
    assert not short.value
    assert "2 minutes" in short.reason
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: None)
    assert "no compiler" in choose_compile(None, CUDA, None, 1024).reason


def test_a_cpu_compiles_long_runs_of_narrow_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.sys, "platform", "linux")
    monkeypatch.setattr(precision.shutil, "which", lambda name: name)
    assert choose_compile(None, CPU, SHORTEST_COMPILED, WIDEST_COMPILED).value
    assert not choose_compile(None, CPU, SHORTEST_COMPILED, WIDEST_COMPILED + 1).value
    assert not choose_compile(None, CPU, 2.0, WIDEST_COMPILED).value
    assert not choose_compile(None, CPU, None, WIDEST_COMPILED).value
    monkeypatch.setattr(precision.shutil, "which", lambda name: None)
    assert "no compiler" in choose_compile(None, CPU, SHORTEST_COMPILED, WIDEST_COMPILED).reason


def test_nothing_was_measured_on_mps() -> None:
    assert not choose_compile(None, MPS, 600.0, 64).value
