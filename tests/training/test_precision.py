"""What is chosen for a device, and that it can be chosen otherwise."""

from __future__ import annotations

import pytest
import torch

from weft.training import precision
from weft.training.precision import SHORTEST_COMPILED, choose_compile, choose_precision

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize("device", [CPU, CUDA, MPS])
def test_what_is_asked_for_is_done(device: torch.device) -> None:
    assert choose_precision("bfloat16", device).value == "bfloat16"
    assert choose_precision("float32", device).value is None
    assert choose_compile(True, device, 0.1).value
    assert not choose_compile(False, device, None).value
    assert choose_compile(True, device, None).reason == "as asked for"
    chosen = choose_compile(None, device, 0.1)
    assert (chosen.why(False), chosen.why(True)) == (chosen.reason, "as asked for")


def test_a_cpu_computes_in_full_precision_and_uncompiled() -> None:
    for device in (CPU, MPS):
        assert choose_precision(None, device).value is None
        assert not choose_compile(None, device, 600.0).value


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_has_mixed_precision_where_it_can(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    assert choose_precision(None, CUDA).value == ("bfloat16" if supported else None)


def test_a_gpu_compiles_long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: object())
    assert choose_compile(None, CUDA, None).value
    assert choose_compile(None, CUDA, SHORTEST_COMPILED).value
    short = choose_compile(None, CUDA, 2.0)
    assert not short.value
    assert "2 minutes" in short.reason
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: None)
    assert "triton" in choose_compile(None, CUDA, None).reason
