"""How a process of the command ends."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End this process with a status, as ``sys.exit`` does.

    One of several that were started together ends without tearing the interpreter down: gloo's threads let go of the
    last tensors whenever they come to it, for which they need the interpreter, and a thread that asks for it then
    aborts the process (https://github.com/pytorch/pytorch/pull/179291), so that torchrun takes a whole run for failed.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:
        sys.exit(status)
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
