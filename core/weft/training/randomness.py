"""Everything random is a function of a few numbers, and leaves the caller's generators alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(*keys: int) -> int:
    """A 63-bit seed for torch from several numbers."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def forked(device: torch.device) -> Iterator[None]:
    """What is drawn in the block, on the CPU or on a device, changes nothing for what comes after it."""
    accelerated = device.type != "cpu"
    index = device.index or 0
    kind = device.type if accelerated else "cuda"
    with torch.random.fork_rng(devices=[index] if accelerated else [], device_type=kind):
        yield
