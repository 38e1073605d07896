"""What a process knows of the others."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from weft.training.world import is_lost_connection


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:29512"), True),
        (dist.DistBackendError("NCCL error in: x.cpp:1, ncclRemoteError: a remote process exited"), True),
        (dist.DistNetworkError("The client socket has failed to connect"), True),
        (RuntimeError("Error(s) in loading state_dict for Transformer: size mismatch for norm.weight"), False),
        (KeyError("norm.weight/exp_avg"), False),
        (dist.DistBackendError("NCCL error in: x.cpp:1, unhandled cuda error"), False),
    ],
)
def test_which_errors_are_of_another_process(error: Exception, lost: bool) -> None:
    assert is_lost_connection(error) == lost
