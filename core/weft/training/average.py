"""An exponential moving average of the weights (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from weft.training.parallel import local, placed_like


class Average:
    """Averaged parameters of a model. In the first steps it forgets faster, so that it does not keep the beginning.

    Args:
        model: Its parameters are averaged, sharded as they are; frozen ones are their own average.
        decay: Of the average, each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.averages = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        means = [local(mean) for mean in self.averages.values()]
        torch._foreach_lerp_(means, [local(p.detach()) for p in self._parameters.values()], 1 - decay)

    @torch.no_grad()
    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Go on from whole averages."""
        for name, mean in self.averages.items():
            local(mean).copy_(local(placed_like(averages[name], mean)))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights while the block lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, mean in self.averages.items():
            here, there = local(self._parameters[name].detach()), local(mean)
            kept = here.clone()
            here.copy_(there)
            there.copy_(kept)
