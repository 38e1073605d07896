"""What a step of a model takes of memory, from steps of models of the same width and fewer blocks.

Nothing here knows how a model or an optimizer computes: three short steps are taken and their tensors counted, so that
fused losses, mixed precision, recomputed activations and objectives of plugins are all seen as they are.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from weft.training.loop import Loop
from weft.training.optimizers import build_optimizers


@dataclass(frozen=True, slots=True)
class Linear:
    """A number of bytes that grows with the blocks of a model.

    Attributes:
        base: Without blocks.
        block: For each block.
    """

    base: float
    block: float

    def at(self, layers: int) -> float:
        return max(0.0, self.base + self.block * layers)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one training step needs.

    Attributes:
        weights: Of the model.
        gradients: Of what is learned of it.
        state: Of the optimizer.
        update: At most alive while the optimizer moves.
        fixed: At most alive in forward and backward passes, however few the positions.
        position: For each position of a micro-batch on top of ``fixed``: its activations, which grow with the blocks,
            and what embedding, logits and loss take.
    """

    weights: Linear
    gradients: Linear
    state: Linear
    update: Linear
    fixed: float
    position: Linear


@dataclass(frozen=True, slots=True)
class Usage:
    """What was counted in one step.

    Attributes:
        positions: Of its micro-batch.
        weights: Bytes of the model's parameters.
        gradients: Bytes of those that are learned.
        state: Bytes of the optimizer.
        update: Bytes at most alive while the optimizer moved, gradients left out.
        passes: The same of forward and backward.
    """

    positions: int
    weights: int
    gradients: int
    state: int
    update: int
    passes: int


def measure(loop_of: Callable[[int, int], tuple[Loop, int]]) -> Footprint:
    """Run the passes of a step of one and of two blocks, and of one block with twice the rows.

    The optimizer moves models without content instead (torch's ``meta`` device): its work does not depend on the rows,
    and would take long for wide models.

    Args:
        loop_of: From ``(layers, rows)`` to a fresh loop whose every step is one micro-batch of that many rows of equal
            length, and the positions of it.
    """
    one, two, double = (_count(*loop_of(*shape)) for shape in ((1, 1), (2, 1), (1, 2)))
    position = (double.passes - one.passes) / (double.positions - one.positions)
    a_block = (two.passes - one.passes) / one.positions
    return Footprint(
        weights=_line(one.weights, two.weights),
        gradients=_line(one.gradients, two.gradients),
        state=_line(one.state, two.state),
        update=_line(one.update, two.update),
        fixed=max(0.0, one.passes - position * one.positions),
        position=Linear(position - a_block, a_block),
    )


def _line(one: float, two: float) -> Linear:
    return Linear(2 * one - two, two - one)


def _count(loop: Loop, positions: int) -> Usage:
    passes = _peak_of_passes(loop)
    parameters = list(loop.model.parameters())
    state, update = _optimizer(loop)
    return Usage(
        positions=positions,
        weights=sum(parameter.nbytes for parameter in parameters),
        gradients=sum(parameter.nbytes for parameter in parameters if parameter.requires_grad),
        state=state,
        update=update,
        passes=passes,
    )


def _peak_of_passes(loop: Loop) -> int:
    """Bytes at most alive in forward and backward passes, gradients left out."""
    live = LiveBytes()
    with live:
        hooks = [
            parameter.register_post_accumulate_grad_hook(lambda owner: live.leave_out(owner.grad))  # type: ignore[no-untyped-call]
            for parameter in loop.model.parameters()
            if parameter.requires_grad
        ]
        loop.backward()
    for hook in hooks:
        hook.remove()
    return live.peak()


def _optimizer(loop: Loop) -> tuple[int, int]:
    """Bytes of the optimizer's state, and at most alive beside it while it moves."""
    settings = loop.settings
    model = copy.deepcopy(loop.model).to("meta")
    optimizers = build_optimizers(model, settings.learning_rate, settings.weight_decay, settings.optimizer)
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
    live = LiveBytes()
    with live:
        for optimizer in optimizers:
            optimizer.step()
    states = (state for optimizer in optimizers for state in optimizer.state.values())
    held: int = sum(value.nbytes for state in states for value in state.values() if isinstance(value, Tensor))
    return held, live.peak()


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are made, and given back, while it is on.

    What is still there at the end (an optimizer's state) was there to stay, and is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._events: list[tuple[int, int]] = []
        """``(number of a storage, its bytes, or less than 0 where it goes)``, in the order of time."""
        self._numbers: dict[int, int] = {}
        """Numbers of the storages that are alive, by address."""
        self._left_out: set[int] = set()
        self._made = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        before = {tensor.untyped_storage()._cdata for tensor in tree_iter((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage(), before)
        return result

    def leave_out(self, tensor: Tensor | None) -> None:
        """Do not count the storage of a tensor, now or before."""
        if tensor is not None:
            number = self._numbers.get(tensor.untyped_storage()._cdata)
            if number is not None:
                self._left_out.add(number)

    def peak(self) -> int:
        """Bytes at most alive."""
        ignored = self._left_out | set(self._numbers.values())
        alive = most = 0
        for number, change in self._events:
            if number not in ignored:
                alive += change
                most = max(most, alive)
        return most

    def _see(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        address = storage._cdata
        if address in self._numbers or address in before:
            return
        self._made += 1
        self._numbers[address] = self._made
        self._events.append((self._made, storage.nbytes()))
        weakref.finalize(storage, partial(self._gone, address, storage.nbytes())).atexit = False

    def _gone(self, address: int, size: int) -> None:
        number = self._numbers.pop(address)
        self._events.append((number, -size))
