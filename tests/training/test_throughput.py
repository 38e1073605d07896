"""Tokens a second, and the share of the peak."""

from __future__ import annotations

import copy
import time

import pytest
import torch
from torch import nn

from weft.models.config import ModelConfig
from weft.models.transformer import Transformer, parameter_count
from weft.training.throughput import (
    Peak,
    Speed,
    datasheet_peak,
    peak_of,
    shortened,
    training_flops_per_token,
)

CONFIG = ModelConfig(vocab_size=64, context_length=16, layers=2, width=32, heads=2, kv_heads=1, head_size=16, hidden=96)


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989.4),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_gpus_are_known_by_name(name: str, tera: float) -> None:
    assert datasheet_peak(name, "bfloat16") == Peak(tera * 1e12, "datasheet")
    slow = datasheet_peak(name, "float32")
    assert slow is not None
    assert slow.flops < tera * 1e12


@pytest.mark.parametrize("name", ["NVIDIA A10G", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA L400", "Tesla T4"])
def test_a_gpu_of_a_similar_name_is_not_taken_for_another(name: str) -> None:
    assert datasheet_peak(name, "bfloat16") is None


def test_the_peak_of_the_cpu_is_measured_once() -> None:
    state = torch.get_rng_state()
    first = peak_of(torch.device("cpu"), None)
    began = time.perf_counter()
    assert peak_of(torch.device("cpu"), None) is first
    assert time.perf_counter() - began < 0.05
    assert first.source == "measured"
    assert 1e8 < first.flops < 1e14
    assert torch.equal(torch.get_rng_state(), state)


def counted(model: Transformer, rows: int, length: int) -> float:
    """Operations of matrix products and attention, forward and backward, by torch's own counter. It knows torch's own
    operations, which the model uses where core's do not apply, as on the meta device."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model = copy.deepcopy(model).to("meta")
    ids = torch.zeros((rows, length), dtype=torch.int64, device="meta")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(ids).sum().backward()
    return float(counter.get_total_flops())


def test_the_formula_agrees_with_a_count_of_operations() -> None:
    model = Transformer(CONFIG)
    formula = training_flops_per_token(model, 16)
    assert formula is not None
    # The vectors of norms are parameters too, but no matrices.
    vectors = sum(p.numel() for p in model.parameters() if p.dim() < 2)
    assert formula == 6 * parameter_count(model) + 12 * 2 * 2 * 16 * 16
    assert counted(model, 3, 16) / (3 * 16) == pytest.approx(formula - 6 * vectors, rel=0.01)


def test_other_models_have_no_formula() -> None:
    assert training_flops_per_token(nn.Linear(3, 3), 16) is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def steps(speed: Speed, clock: Clock, count: int, tokens: float, seconds: float, pause: float = 0.0) -> None:
    for _ in range(count):
        clock.now += pause
        speed.begin_step()
        clock.now += seconds
        speed.end_step(tokens)


def test_speed_is_that_of_the_last_while_without_pauses() -> None:
    clock = Clock()
    speed = Speed(nn.Linear(3, 3), 4, None, window=10, now=clock)
    assert speed.tokens_per_second == 0
    steps(speed, clock, 50, 100, 1.0, pause=7.0)
    assert speed.tokens_per_second == pytest.approx(100)
    steps(speed, clock, 10, 300, 1.0)
    assert speed.tokens_per_second == pytest.approx(300)
    steps(speed, clock, 1, 1000, 100.0)  # a step longer than the window stands for itself
    assert speed.tokens_per_second == pytest.approx(10)
    assert speed.share_of_peak is None
    assert (speed.text(), speed.figures()) == ("10 tokens/s", {"tokens_per_second": pytest.approx(10)})


@pytest.mark.parametrize(("devices", "share"), [(1, 0.5), (2, 0.25)])
def test_the_share_is_of_all_devices_together(devices: int, share: float) -> None:
    clock, model = Clock(), Transformer(CONFIG)
    each = training_flops_per_token(model, 16)
    assert each is not None
    speed = Speed(model, 4, Peak(2 * each * 64, "datasheet"), devices, now=clock)
    steps(speed, clock, 3, 64, 1.0)  # four rows of 16 tokens a second
    assert speed.share_of_peak == pytest.approx(share)
    assert speed.text() == f"64 tokens/s, {100 * share:.0f} % of peak"


def test_a_measured_peak_is_at_least_what_is_reached() -> None:
    clock = Clock()
    speed = Speed(Transformer(CONFIG), 4, Peak(1.0, "measured"), now=clock)
    steps(speed, clock, 3, 64, 1.0)
    assert speed.share_of_peak == 1.0


def test_numbers_are_short() -> None:
    assert [shortened(n) for n in (8.123, 814.2, 999.7, 81_412, 8_140_000, 2e9)] == [
        "8.12", "814", "1k", "81.4k", "8.14M", "2G",
    ]  # fmt: skip
