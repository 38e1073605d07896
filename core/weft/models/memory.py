"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

_GROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and usage of a container, in the two versions of control groups."""


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still take on a device; on the CPU also what a container allows."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    allowed = (_left(Path(limit), Path(usage)) for limit, usage in _GROUP_LIMITS)
    return min([int(psutil.virtual_memory().available), *(left for left in allowed if left is not None)])


def _left(limit: Path, usage: Path) -> int | None:
    try:
        return max(1, int(limit.read_text()) - int(usage.read_text()))
    except (OSError, ValueError):  # no control groups, or "max"
        return None
