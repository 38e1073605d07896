"""With which precision a step is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocast(device: torch.device, kind: str | None) -> AbstractContextManager[Any]:
    """Mixed precision of a type (``"bfloat16"``), or nothing."""
    return nullcontext() if kind is None else torch.autocast(device.type, dtype=getattr(torch, kind))
