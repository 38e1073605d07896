"""States of training as older checkpoints have them: of the optimizer by number, of adapters without the table's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from weft.models.adapters import is_adapter
from weft.storage.checkpoints import TrainingState
from weft.training.optimizers import split_parameters
from weft.training.parallel import whole_tensors

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


def with_table_adapters(state: TrainingState, model: nn.Module) -> TrainingState:
    """Give adapters to the tables of embeddings of a run that began when these had none.

    They are fresh ones, which change nothing until they have learned; their optimizer begins anew by itself.

    Args:
        state: Of any age; it is left alone if it has such adapters, or the model has none.
        model: Before its first step. Of several processes all have to ask.
    """
    tables = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.Embedding))
    fresh = {
        name: tensor for name, tensor in model.state_dict().items() if is_adapter(name) and name.startswith(tables)
    }
    if not fresh or fresh.keys() & state.model.keys():
        return state
    added = whole_tensors(fresh, wanted=True)
    return replace(state, model={**state.model, **added}, average={**state.average, **added} if state.average else {})


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
