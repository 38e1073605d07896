"""Muon: its direction, its state, and what it makes of kernels and of fused projections."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from weft.models.config import ModelConfig
from weft.models.transformer import FusedLinear, Transformer
from weft.training import muon
from weft.training.muon import Muon, orthogonalize
from weft.training.optimizers import ADAM_SHARE, build_optimizers, split_parameters

shapes = st.tuples(st.integers(1, 3), st.integers(1, 24), st.integers(1, 24))


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(shape=shapes, seed=st.integers(0, 1000), scale=st.sampled_from([1e-4, 1.0, 1e4]))
@settings(max_examples=50, deadline=None)
def test_singular_vectors_stay_and_singular_values_become_about_one(
    shape: tuple[int, int, int], seed: int, scale: float
) -> None:
    matrices = scale * random(*shape, seed=seed, dtype=torch.float64)
    found = orthogonalize(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    inside = left.mT @ found @ right.mT
    diagonal = inside.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(inside, torch.diag_embed(diagonal), atol=1e-6, rtol=0)
    # Five iterations lift what is not tiny beside the norm into the band in which the quintic oscillates.
    lifted = values > 0.02 * values.norm(dim=-1, keepdim=True)
    assert (diagonal[lifted] > 0.5).all()
    assert (diagonal < 1.25).all()


def test_each_matrix_of_a_stack_is_treated_alone() -> None:
    one, two = random(1, 6, 4), 1000 * random(1, 6, 4, seed=1)
    both = orthogonalize(torch.cat([one, two]))
    torch.testing.assert_close(both[:1], orthogonalize(one))
    torch.testing.assert_close(both[1:], orthogonalize(two))


def test_no_gradient_no_update() -> None:
    assert not orthogonalize(torch.zeros(2, 5, 3)).any()


class Problem:
    """Parameters, and gradients for a few steps."""

    def __init__(self, *shapes: Sequence[int], dtype: torch.dtype = torch.float64) -> None:
        self.parameters = [nn.Parameter(random(*s, seed=i, dtype=dtype)) for i, s in enumerate(shapes)]

    def run(self, optimizer: torch.optim.Optimizer, steps: int = 4) -> list[Tensor]:
        for step in range(steps):
            for place, parameter in enumerate(self.parameters):
                parameter.grad = random(*parameter.shape, seed=100 * step + place, dtype=parameter.dtype)
            optimizer.step()
        return [parameter.detach().clone() for parameter in self.parameters]


@pytest.mark.parametrize("shape", [(16, 16), (32, 8), (8, 32)])
def test_it_agrees_with_torch(shape: tuple[int, int]) -> None:
    """``torch.optim.Muon`` iterates in bfloat16, and scales by the same square root: directions agree to its
    precision, and momentum, decay and scale exactly enough that nothing drifts over the steps."""
    ours, theirs = Problem(shape, dtype=torch.float32), Problem(shape, dtype=torch.float32)
    options = {"lr": 0.05, "momentum": 0.95, "weight_decay": 0.3}
    found = ours.run(Muon([(p, [p.shape[0]]) for p in ours.parameters], **options))[0]
    torch_muon = torch.optim.Muon(theirs.parameters, **options, nesterov=True, adjust_lr_fn="original")
    expected = theirs.run(torch_muon)[0]
    moved = (expected - random(*shape)).norm()
    assert (found - expected).norm() < 0.02 * moved
    undecayed = Problem(shape, dtype=torch.float32)
    other = undecayed.run(Muon([(p, [p.shape[0]]) for p in undecayed.parameters], lr=0.05, weight_decay=0.0))[0]
    assert (other - expected).norm() > 0.05 * moved


def test_a_kernel_is_the_matrix_of_its_outputs_against_the_rest() -> None:
    kernels, matrices = Problem((6, 4, 3, 3)), Problem((6, 36))
    with torch.no_grad():
        matrices.parameters[0].copy_(kernels.parameters[0].flatten(1))
    one = Muon([(kernels.parameters[0], [6])], lr=0.1, weight_decay=0.1)
    two = Muon([(matrices.parameters[0], [6])], lr=0.1, weight_decay=0.1)
    for step in range(3):
        gradient = random(6, 4, 3, 3, seed=step, dtype=torch.float64)
        kernels.parameters[0].grad, matrices.parameters[0].grad = gradient, gradient.flatten(1)
        one.step()
        two.step()
    torch.testing.assert_close(kernels.parameters[0].detach().flatten(1), matrices.parameters[0].detach())


@given(rows=st.lists(st.integers(1, 9), min_size=1, max_size=4), columns=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_splits_are_parameters_of_their_own(rows: list[int], columns: int) -> None:
    fused = nn.Parameter(random(sum(rows), columns, dtype=torch.float64))
    parts = [nn.Parameter(part.clone()) for part in torch.split(fused.detach(), rows)]
    whole = Muon([(fused, rows)], lr=0.1, weight_decay=0.1)
    single = Muon([(part, [part.shape[0]]) for part in parts], lr=0.1, weight_decay=0.1)
    for step in range(3):
        fused.grad = random(sum(rows), columns, seed=step + 1, dtype=torch.float64)
        for part, gradient in zip(parts, torch.split(fused.grad, rows), strict=True):
            part.grad = gradient.clone()
        whole.step()
        single.step()
    torch.testing.assert_close(fused.detach(), torch.cat([part.detach() for part in parts]))


def test_equal_shapes_share_a_batch_and_nothing_else() -> None:
    together, alone = Problem((5, 3), (5, 3), (3, 5)), Problem((5, 3), (5, 3), (3, 5))
    found = together.run(Muon([(p, [p.shape[0]]) for p in together.parameters], lr=0.1))
    optimizers = [Muon([(p, [p.shape[0]])], lr=0.1) for p in alone.parameters]
    for step in range(4):
        for place, (parameter, optimizer) in enumerate(zip(alone.parameters, optimizers, strict=True)):
            parameter.grad = random(*parameter.shape, seed=100 * step + place, dtype=torch.float64)
            optimizer.step()
    for one, two in zip(found, alone.parameters, strict=True):
        torch.testing.assert_close(one, two.detach())


def test_a_parameter_without_gradient_is_left_alone() -> None:
    problem = Problem((4, 4), (4, 4))
    before = problem.parameters[1].detach().clone()
    problem.parameters[0].grad = random(4, 4, dtype=torch.float64)
    Muon([(p, [4]) for p in problem.parameters], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(problem.parameters[1].detach(), before)


class TestGrouping:
    def model(self) -> Transformer:
        return Transformer(ModelConfig(30, 16, 2, 16, 2, 1, 8, 32))

    def test_projections_are_for_muon_and_the_rest_is_not(self) -> None:
        model = self.model()
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        matrices, rest = split_parameters(model)
        assert {names[id(p)].split(".", 2)[-1] for p, _ in matrices} == {
            "attention.qkv.weight", "attention.output.weight", "feed_forward.gate_up.weight", "feed_forward.down.weight"
        }  # fmt: skip
        assert all("norm" in names[id(p)] or names[id(p)] == "embedding.weight" for p in rest)
        assert len(matrices) + len(rest) == len(names)

    def test_fused_projections_are_split(self) -> None:
        model = self.model()
        splits = {id(parameter): list(rows) for parameter, rows in split_parameters(model)[0]}
        fused = [module for module in model.modules() if isinstance(module, FusedLinear)]
        assert [splits[id(module.weight)] for module in fused] == [[16, 8, 8], [32, 32]] * 2

    def test_rates_and_decay(self) -> None:
        muon, adam = build_optimizers(self.model(), 0.02, 0.05)
        assert isinstance(muon, Muon)
        assert (muon.param_groups[0]["lr"], muon.param_groups[0]["weight_decay"]) == (0.02, 0.05)
        assert adam.param_groups[0]["lr"] == pytest.approx(0.02 * ADAM_SHARE)
        assert adam.param_groups[0]["weight_decay"] == 0

    @pytest.mark.parametrize("module", [nn.LayerNorm(3), nn.Linear(3, 2, bias=False)])
    def test_a_model_of_one_kind_has_one_optimizer(self, module: nn.Module) -> None:
        assert len(build_optimizers(module, 0.02, 0.0)) == 1

    def test_transposed_and_grouped_kernels(self) -> None:
        model = nn.ModuleList([nn.ConvTranspose2d(3, 5, 2), nn.Conv2d(4, 8, 3, groups=2), nn.Conv1d(4, 6, 1)])
        matrices, _ = split_parameters(model)
        assert {tuple(p.shape): list(rows) for p, rows in matrices} == {(3, 5, 2, 2): [3], (6, 4, 1): [6]}


def test_how_many_matrices_are_made_orthogonal_at_once_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    for at_once in (1, 2 * 6 * 4, muon._AT_ONCE):
        monkeypatch.setattr(muon, "_AT_ONCE", at_once)
        weights = [nn.Parameter(random(6, 4, seed=seed, dtype=torch.float64)) for seed in range(5)]
        for seed, weight in enumerate(weights):
            weight.grad = random(6, 4, seed=10 + seed, dtype=torch.float64)
        Muon([(weight, [6]) for weight in weights], lr=0.1).step()
        moved.append(torch.stack([weight.detach() for weight in weights]))
    torch.testing.assert_close(moved[0], moved[2])
    torch.testing.assert_close(moved[1], moved[2])
