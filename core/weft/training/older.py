"""State of the optimizer as checkpoints of the first format have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from weft.storage.checkpoints import TrainingState
from weft.training.optimizers import split_parameters

_NUMBERED = re.compile(r"(\d+)\.(\d+)\.([^./]+)")


def named_by_parameter(state: TrainingState, model: nn.Module) -> TrainingState:
    """Name tensors after their parameters that were named by number of optimizer and place in it.

    Args:
        state: Of any format.
        model: Whose parameters these are.

    Raises:
        KeyError: There is no such parameter.
    """
    if not all(_NUMBERED.fullmatch(name) for name in state.optimizer):
        return state
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    matrices, rest = split_parameters(model)
    owners = [owned for owned in ([matrix for matrix, _ in matrices], rest) if owned]
    renamed: Mapping[str, Tensor] = {
        f"{names[id(_at(owners, int(number), int(place)))]}/{key}": tensor
        for name, tensor in state.optimizer.items()
        for number, place, key in [_parts(name)]
    }
    return replace(state, optimizer=renamed)


def _parts(name: str) -> tuple[str, str, str]:
    found = _NUMBERED.fullmatch(name)
    assert found is not None
    number, place, key = found.groups()
    return number, place, key


def _at(owners: list[list[Tensor]], number: int, place: int) -> Tensor:
    try:
        return owners[number][place]
    except IndexError as error:
        raise KeyError(f"parameter {place} of optimizer {number}") from error
