"""Pictures in memory and on disk, and stage 1 on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import weft
from weft.interfaces.progress import Silent
from weft.interfaces.source import Source
from weft.models.device import pick_device
from weft.plugins.discovery import discover
from weft.plugins.metadata import installed_plugins
from weft.plugins.registry import Registry
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.storage.corpus import CorpusFolder
from weft.training.fit import make_fit
from weft_image.options import ImageOptions
from weft_image.preparer import ImagePreparer


def disk(color: Any, ground: Any, mode: str = "RGB", size: int = 32, radius: int = 10) -> Image.Image:
    image = Image.new(mode, (size, size), ground)
    middle = size // 2
    ImageDraw.Draw(image).ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=color)
    return image


def noise(size: tuple[int, int], mode: str = "RGB", seed: int = 0) -> Image.Image:
    width, height = size
    shape = (height, width) if mode == "L" else (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **parameters: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **parameters)
    return buffer.getvalue()


@pytest.fixture
def make_item() -> Callable[..., weft.Item]:
    def make(data: bytes, name: str = "a.png", **metadata: str) -> weft.Item:
        return weft.Item(name=name, open=lambda: io.BytesIO(data), size=len(data), metadata=metadata)

    return make


@pytest.fixture
def read(make_item: Any) -> Callable[..., Image.Image]:
    """Reads bytes as an image file and cleans what was read, with the options given."""

    def read_bytes(data: bytes, name: str = "a.png", **options: Any) -> Image.Image:
        item = make_item(data, name)
        preparer = ImagePreparer(ImagePreparer.resolve(ImageOptions(**options), [item]))
        (sample,) = preparer.read(item)
        assert isinstance(sample, weft.Sample)
        return preparer.clean(sample).payload

    return read_bytes


@pytest.fixture(scope="session")
def image_registry() -> Registry:
    registry = Registry(discover([plugin for plugin in installed_plugins() if plugin.distribution == "weft-image"]))
    assert not registry.quarantined
    return registry


@pytest.fixture(scope="session")
def prepare_images(tmp_path_factory: pytest.TempPathFactory, image_registry: Registry) -> Callable[..., CorpusFolder]:
    """Runs stage 1 on a folder; the codec learns for a few steps only, unless told otherwise."""

    def run(source: Path, seed: int = 0, **options: Any) -> CorpusFolder:
        request = PrepareRequest(
            [Source(source)],
            tmp_path_factory.mktemp("prepared") / "corpus",
            options={f"image.{name}": value for name, value in {"codec_steps": 3, "near": "off", **options}.items()},
            seed=seed,
        )
        fit = make_fit(Silent(), seed=seed, device=pick_device("cpu"))
        return prepare_corpus(request, image_registry, fit, Silent())

    return run


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of two kinds of pictures, the names of the folders being the captions."""
    folder = tmp_path_factory.mktemp("disks")
    for name, color, ground in (("red_disk", "red", "white"), ("hole", "black", "yellow")):
        (folder / name).mkdir()
        for number in range(20):
            disk(color, ground, radius=5 + number % 8, size=32 + number).save(folder / name / f"{number:02d}.png")
    return folder
