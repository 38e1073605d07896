"""Real archives, pictures and recordings, small."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from weft.interfaces.samples import Item
from weft.preparation.collect import collect


def png(value: int = 0) -> bytes:
    """A picture that is told from others by its color."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value % 256, value // 256 % 256, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def wav(value: int = 0) -> bytes:
    """A recording that is told from others by its level."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(80, value / 256, dtype=np.float32), 8000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    compression = path.suffix[1:] if path.suffix != ".tar" else ""
    mode: Any = "w:gz" if compression == "tgz" else f"w:{compression}"
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(*sources: Any, **given: Any) -> dict[str, bytes]:
    """What items hold, read as a worker process does: after a journey as a pickle."""
    return {item.name: read(item) for item in collect(sources, **given).items}


def read(item: Item) -> bytes:
    arrived: Item = pickle.loads(pickle.dumps(item))
    return arrived.read_bytes()


def captions(*sources: Any, **given: Any) -> dict[str, str | None]:
    return {item.name: item.caption() for item in collect(sources, **given).items}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Mapping[str, bytes | str]], Path]:
    """Writes files into the folder ``source`` and returns it."""

    def write_files(files: Mapping[str, bytes | str], folder: str = "source") -> Path:
        for name, data in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / folder

    return write_files
