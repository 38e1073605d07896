"""Files and folders that are whole or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from weft.errors import FolderError
from weft.storage.ownership import is_weft_folder

PARTIAL = ".partial"
"""How the name of something unfinished ends; it begins with a dot."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file into an existing folder; readers see the old contents or the new, never a part."""
    temporary = _sibling(path, PARTIAL)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """As :func:`write_bytes`, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """As :func:`write_bytes`, indented, for people to read.

    Raises:
        ValueError: It holds a number that is not finite, which JSON has no word for.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def new_folder(
    path: Path, *, force: bool = False, sources: Sequence[Path] = (), within: Path | None = None
) -> Iterator[Path]:
    """Make a folder that has its name only when it is complete.

    Args:
        path: The folder to make; parents are made as well.
        force: Replace what is there, if it is a folder of Weft's and nothing else.
        sources: Files and folders that the new one is made from; it may not lie in one of them, nor they in it.
        within: A folder on the same file system in which it is made; beside ``path`` without it.

    Yields:
        An empty folder. When the block ends it is renamed to ``path``; when the block raises it is
        removed and ``path`` is as before.

    Raises:
        FolderError: Something else is at ``path``, the working directory is in it, or it cannot be written.
    """
    target = Path(os.path.realpath(path))
    check_target(path, force=force, sources=sources)
    temporary = _sibling(target if within is None else within / target.name, PARTIAL)
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise FolderError(f"{path} cannot be made ({error.strerror}); choose another place") from error
    try:
        yield temporary
        _sync_tree(temporary)
        check_target(path, force=force, sources=sources)
        _take_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(target.parent)


def check_target(path: Path, *, force: bool = False, sources: Sequence[Path] = ()) -> None:
    """Raise :class:`weft.FolderError` where :func:`new_folder` may not make this folder."""
    target = Path(os.path.realpath(path))
    for source in sources:
        real = Path(os.path.realpath(source))
        if target == real or target in real.parents or (real in target.parents and real.is_dir()):
            raise FolderError(f"{path} cannot be the output: it overlaps the source {source}; choose another folder")
    if _holds_working_directory(target):
        raise FolderError(
            f"{path} cannot be the output: the working directory is in it, and would be replaced; "
            f"name another folder, or work from elsewhere"
        )
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise FolderError(f"{path} is a file; choose another name for the folder")
    if not any(target.iterdir()):
        return
    if not force:
        more = "; --append adds to the corpus that is there" if (target / "corpus.json").is_file() else ""
        raise FolderError(f"{path} is not empty; choose another or pass --force{more}")
    if not is_weft_folder(target):
        raise FolderError(
            f"{path} holds files that Weft did not write, so --force does not replace it; "
            f"choose another folder, or empty it yourself"
        )


def _holds_working_directory(target: Path) -> bool:
    try:
        here = Path(os.path.realpath(Path.cwd()))
    except OSError:
        return False
    return target == here or target in here.parents


def _take_place(temporary: Path, target: Path) -> None:
    """Rename the new folder to its name; what was there goes only after that, and comes back if it fails."""
    if not target.exists():
        temporary.rename(target)
        return
    old = _sibling(target, ".old")
    target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for directory, _, names in os.walk(folder):
        for name in names:
            with (Path(directory) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(directory))


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder last."""
    # Some systems cannot open or sync a directory; their renames are then as durable as they can be.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sibling(path: Path, suffix: str) -> Path:
    """A free name in the same folder, hidden, and short enough for any file system."""
    return path.with_name(f".{path.name[:32]}.{secrets.token_hex(6)}{suffix}")
