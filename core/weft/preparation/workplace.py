"""Where a corpus is made: a hidden folder beside it, in which a preparation that was killed finds what it had done."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from weft.errors import FolderError, OptionError, SourceError
from weft.interfaces.progress import Reporter
from weft.storage.atomic import PARTIAL, write_json
from weft.storage.hashing import hash_bytes

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folder of one preparation.

    Attributes:
        folder: It.
        plan: Begin of the hash of its plan.
    """

    folder: Path
    plan: str

    @property
    def blocks(self) -> Path:
        """Where examined blocks are: those of another plan would be elsewhere, whoever writes them."""
        return self.folder / f"blocks-{self.plan}"

    @property
    def codecs(self) -> Path:
        """Where learned codecs are kept, so that they need not be learned twice."""
        return self.folder / "codecs"

    def fresh(self, name: str) -> Path:
        """An empty folder in it; what was there is gone."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path


@contextmanager
def workplace(out: Path, plan: str, reporter: Reporter) -> Iterator[Workplace]:
    """The workplace of a corpus while the block lasts. It goes when the block ends, or raises an error that says what
    is wrong with what was asked for; an interrupt, a kill or a full disk leaves it.

    Args:
        out: The corpus folder to be made.
        plan: Hash of all that decides what is in the corpus; with another one what is there is of no use.
        reporter: Is told where something is thrown away.

    Raises:
        FolderError: Another process makes the same corpus at this moment, or the folder cannot be written.
    """
    target = Path(os.path.realpath(out))
    folder = target.with_name(f".{_short(target.name)}.prepare{PARTIAL}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FolderError(f"{out} cannot be made ({error.strerror}); choose another place") from error
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise FolderError(
            f"another process is preparing {out} at this moment; wait for it, or choose another"
        ) from error
    try:
        before = _plan_of(folder)
        if before != plan:
            if before is not None:
                reporter.note(
                    "what an earlier preparation left was made from other sources, options or code: it begins anew"
                )
            _empty(folder)
            write_json(folder / PLAN, {"plan": plan})
        yield Workplace(folder, plan[:12])
    except (SourceError, OptionError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        if not any(folder.glob("blocks-*/?????")):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def _short(name: str) -> str:
    """A name that leaves room for more; long ones differ where the whole names do."""
    if len(name.encode("utf-8")) <= 100:
        return name
    return f"{name[:20]}-{hash_bytes(name.encode('utf-8'))[:12]}"


def _plan_of(folder: Path) -> Any:
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((folder / PLAN).read_text(encoding="utf-8")).get("plan")
    return None


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()
