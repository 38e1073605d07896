"""SHA-256 of files, folders and plain values; every digest is in lower-case hexadecimal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any


def hash_bytes(data: bytes) -> str:
    """Digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """Digest of a file's contents, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_folder(folder: Path, *, skip: Collection[str] = ()) -> str:
    """Digest of the names and contents of all files in a folder, whatever the order in which the disk lists them.

    Args:
        folder: What to hash, with all that is in it.
        skip: Relative names, ``/``-separated, that are left out.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return hash_json([[name, hash_file(path)] for name, path in sorted(files.items()) if name not in skip])


def hash_json(value: Any) -> str:
    """Digest of a value that JSON can hold; equal values have equal digests, whatever the order of their keys."""
    return hash_bytes(json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii"))
