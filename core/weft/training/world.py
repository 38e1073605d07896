"""The processes that train together: one, or those that torchrun started."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from weft.errors import OptionError, PeerError, TrainingError
from weft.models.device import pick_device

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, who may be fitting codecs or compiling."""

FAREWELL = 15.0
"""Seconds in which a process that failed can say why, before one that only lost its connection to it ends as well: as
soon as one has ended, torchrun ends all others, whatever they are about to say."""

_LOST = ("gloo/transport/", "ncclRemoteError")
"""What stands in the messages of lost connections, which have no type of their own."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training, seen by one of them.

    Attributes:
        rank: Which one this is.
        size: How many there are.
        local_rank: Which one of its machine this is, for its accelerator.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and reports."""
        return self.rank == 0

    def sum(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The sum of each figure over the processes that have it, the same to the last bit in each of them."""
        if self.size == 1:
            return dict(figures)
        gathered: list[dict[str, float]] = [{}] * self.size
        dist.all_gather_object(gathered, dict(figures))
        names = dict.fromkeys(name for each in gathered for name in each)
        return {name: sum(each.get(name, 0.0) for each in gathered) for name in names}

    def first(self, value: float) -> float:
        """The value that the main process has."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)

    def agree(self, value: float) -> bool:
        """Whether all processes have the same value."""
        return self.sum({"apart": float(value != self.first(value))})["apart"] == 0

    def device(self, name: str | None) -> torch.device:
        """The device of this process: of several GPUs of a machine each process has its own.

        Raises:
            OptionError: It is not there, or it is one GPU for several processes.
        """
        if self.size > 1 and name is not None and ":" in name and name.startswith("cuda"):
            raise OptionError(f"device {name!r} is one GPU, and there are {self.size} processes; say 'cuda'")
        return pick_device(name, self.local_rank)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through the block, then the others: they find what it has cached."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()


def in_torchrun() -> bool:
    """Whether this process is one of several that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def processes_here() -> int:
    """Processes of the training on this machine, which share its memory."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def rank_here() -> int:
    """Rank of this process; 0 where there is one alone. Needs no process group."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def open_world() -> Iterator[World]:
    """Join the processes that torchrun started, while the block lasts; alone without it.

    Numbers and flags travel by gloo, gradients of accelerators by NCCL.

    Raises:
        TrainingError: The processes do not find each other.
        PeerError: Another one failed. Raised only after it had the time to say why.
    """
    if not in_torchrun():
        yield World()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    begun = not dist.is_initialized()
    try:
        if begun:
            dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the processes do not find each other ({error}); start them by torchrun") from error
    world = World(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))
    if world.local_rank < torch.cuda.device_count():
        # Where engines are not told a device they take the current one.
        torch.cuda.set_device(world.local_rank)
    with _peer_errors():
        try:
            yield world
            world.wait()  # one that leaves while another still talks to it takes that one down
        finally:
            if begun:
                dist.destroy_process_group()
                gc.collect()  # objects in cycles keep the group, and with it threads that must not outlive Python


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error says that another process is gone, and nothing of what this one was doing."""
    return isinstance(error, dist.DistNetworkError) or any(words in str(error) for words in _LOST)


@contextmanager
def _peer_errors() -> Iterator[None]:
    """Turn a lost connection into an error that names no cause, as the process at its other end knows it."""
    try:
        yield
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        time.sleep(FAREWELL)
        raise PeerError(
            "another process of this training failed, or cannot be reached; its error is the one to read"
        ) from error
