"""Items in memory, and stage 1 on real files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.interfaces.progress import Silent
from weft.plugins.discovery import discover
from weft.plugins.metadata import installed_plugins
from weft.plugins.registry import Registry
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.storage.corpus import CorpusFolder
from weft_text.options import TextOptions
from weft_text.preparer import TextPreparer


@pytest.fixture
def make_item() -> Callable[[bytes, str], weft.Item]:
    def make(data: bytes, name: str = "a.txt") -> weft.Item:
        return weft.Item(name=name, open=lambda: io.BytesIO(data), size=len(data))

    return make


@pytest.fixture
def read(make_item: Any) -> Callable[..., list[Any]]:
    """Reads bytes as a file of that name, and cleans what was read."""
    preparer = TextPreparer(TextOptions())

    def read_bytes(data: bytes, name: str = "a.txt") -> list[Any]:
        found = list(preparer.read(make_item(data, name)))
        return [preparer.clean(each) if isinstance(each, weft.Sample) else each for each in found]

    return read_bytes


@pytest.fixture(scope="session")
def text_registry() -> Registry:
    registry = Registry(discover([plugin for plugin in installed_plugins() if plugin.distribution == "weft-text"]))
    assert not registry.quarantined
    return registry


@pytest.fixture
def prepare_text(tmp_path: Path, text_registry: Registry) -> Callable[..., CorpusFolder]:
    """Runs stage 1 on a folder."""

    def no_fit(*_: Any, **__: Any) -> Any:
        raise AssertionError("the text codec is counted, not trained")

    def run(source: Path, out: str = "corpus", **options: Any) -> CorpusFolder:
        request = PrepareRequest(
            sources=[weft.Source(source)],
            out=tmp_path / out,
            options={f"text.{name}": value for name, value in options.items()},
            processes=1,
        )
        return prepare_corpus(request, text_registry, no_fit, Silent())

    return run
