"""Content that can be read from any place: in memory where it is small, in a temporary file where it is not."""

from __future__ import annotations

import io
import shutil
import tempfile
from typing import BinaryIO, cast

IN_MEMORY = 64 << 20
"""Bytes up to which content is held in memory."""

_CHUNK = 1 << 20


def in_memory_or_on_disk(stream: BinaryIO, size: int) -> BinaryIO:
    """The rest of a stream, as a file that can be sought.

    Args:
        stream: At the beginning of the content.
        size: How much there is, in bytes; no more is read.

    Raises:
        OSError: The stream ends too early.
    """
    if size <= IN_MEMORY:
        data = stream.read(size)
        if len(data) != size:
            raise OSError(f"it ends after {len(data)} of {size} bytes")
        # A checksum is compared when the end is reached, which asks for one read more.
        stream.read(0 if size == 0 else 1)
        return io.BytesIO(data)
    file = temporary_file()
    shutil.copyfileobj(stream, file, _CHUNK)
    file.seek(0)
    return file


def temporary_file() -> BinaryIO:
    """A file without a name, which is gone when it is closed."""
    return cast(BinaryIO, tempfile.TemporaryFile())


def copy_limited(stream: BinaryIO, most: int, problem: str) -> BinaryIO:
    """All of a stream, in a temporary file.

    Args:
        stream: At the beginning of the content.
        most: Bytes that it may have.
        problem: What is said where it has more.

    Raises:
        OSError: There are more than ``most`` bytes.
    """
    file = temporary_file()
    copied = 0
    while chunk := stream.read(_CHUNK):
        copied += len(chunk)
        if copied > most:
            file.close()
            raise OSError(problem)
        file.write(chunk)
    file.seek(0)
    return file
