"""One process at a time: a folder that is changed over a long time is locked while it is."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.errors import FolderError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder; it is let go of when the block or the process ends, however that happens.

    Raises:
        FolderError: Another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some file systems of networks know no locks; there nobody is kept out.
        if error.errno in (errno.EAGAIN, errno.EACCES):
            os.close(handle)
            raise FolderError(f"{folder} is being trained by another process; wait for its end, or stop it") from error
    try:
        yield
    finally:
        os.close(handle)
