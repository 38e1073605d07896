"""Where tensors live."""

from __future__ import annotations

import torch

from weft.errors import OptionError


def pick_device(name: str | None = None) -> torch.device:
    """The device asked for, else the best one there is: CUDA, then MPS, then the CPU.

    Raises:
        OptionError: The device asked for does not exist here.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise OptionError(f"device {name!r} is not available here; leave it out or use 'cpu'") from error
    return device
