"""An objective and its model as one module, spread over processes by torch's own engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from weft.interfaces.trainer import Batch, LossSum, Trainer
from weft.training.world import World

Shard = Literal["none", "full"]


class Objective(nn.Module):
    """A trainer's loss of its model, as a forward pass: what wraps it sees all that the loss touches."""

    def __init__(self, trainer: Trainer[Any], model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._trainer = trainer

    def forward(self, batch: Batch) -> tuple[Tensor, LossSum]:
        """The loss; its total stands apart as well, since engines look for tensors in tuples alone."""
        loss = self._trainer.loss(self.model, batch)
        return loss.total, loss


def spread(objective: Objective, world: World, device: torch.device, shard: Shard) -> nn.Module:
    """The objective as this process runs it; gradients come out as the mean over the processes.

    Args:
        objective: On its device. With ``full`` its parameters become :class:`DTensor`.
        world: Who trains.
        device: Of this process.
        shard: ``none`` keeps a copy in each process (DistributedDataParallel), ``full`` a part of every parameter
            (FSDP2, ``fully_shard``), layer by layer.
    """
    if world.size == 1:
        return objective
    if shard == "none":
        places = [device] if device.type == "cuda" else None
        return DistributedDataParallel(
            objective, device_ids=places, broadcast_buffers=False, gradient_as_bucket_view=True
        )
    mesh = init_device_mesh(device.type, (world.size,))
    for layer in _layers(objective.model):
        fully_shard(layer, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    """The members of the model's lists of modules: what is large, and used one after another."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            yield from module


def accumulating(module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
    """In this context a backward pass adds to the gradients here; only the last one of a step brings them together."""
    if isinstance(module, DistributedDataParallel) and not last:
        return module.no_sync()
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    return nullcontext()


def whole(tensor: Tensor) -> Tensor:
    """A copy on the CPU, put together from all processes where it is sharded (then all of them have to ask)."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().to("cpu", copy=True).contiguous()


def whole_tensors(tensors: Mapping[str, Tensor], *, wanted: bool) -> dict[str, Tensor]:
    """:func:`whole` of several, one after another; where they are not ``wanted``, a process only gives its parts."""
    found = {}
    for name, tensor in tensors.items():
        if wanted:
            found[name] = whole(tensor)
        elif isinstance(tensor, DTensor):
            tensor.full_tensor()
    return found


def rest(module: nn.Module) -> None:
    """Let go of what was gathered for a forward pass that no backward pass followed."""
    if isinstance(module, FSDPModule):
        module.reshard()


def placed_like(tensor: Tensor, example: Tensor) -> Tensor:
    """A copy of a whole tensor on the device of another, and sharded as that one is."""
    moved = tensor.to(device=example.device, dtype=example.dtype, copy=True)
    if isinstance(example, DTensor):
        return distribute_tensor(moved, example.device_mesh, example.placements)
    return moved


def local(tensor: Tensor) -> Tensor:
    """What of it lies in this process; shares its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_of(whole_tensor: Tensor, example: DTensor) -> Tensor:
    """What of a tensor that every process has whole belongs to this one, if it is sharded as another is."""
    everywhere = [Replicate()] * example.device_mesh.ndim
    spread_out = DTensor.from_local(whole_tensor, example.device_mesh, everywhere, run_check=False)
    return spread_out.redistribute(placements=example.placements).to_local()


def whole_of_part(part: Tensor, example: DTensor) -> Tensor:
    """The tensor that the processes have parts of, which are sharded as another tensor is. All of them ask."""
    sharded = DTensor.from_local(
        part,
        example.device_mesh,
        example.placements,
        run_check=False,
        shape=example.shape,
        stride=example.stride(),
    )
    return sharded.full_tensor()
