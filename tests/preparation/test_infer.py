"""Which modality it is."""

from __future__ import annotations

from typing import Any

import pytest

from weft.errors import SourceError
from weft.interfaces.samples import Item
from weft.preparation.infer import infer_modality, rejection


def items(*names: str) -> list[Item]:
    return [Item(name, lambda: open("nothing"), 0) for name in names]  # type: ignore[arg-type, return-value] # noqa: PTH123


def test_the_one_modality(registry: Any) -> None:
    assert infer_modality(items("a.MEL", "b.mel", "c.xyz", "d"), registry) == "melody"


def test_a_majority_is_not_enough(registry: Any) -> None:
    with pytest.raises(SourceError) as caught:
        infer_modality(items(*["a.mel"] * 50, "b.rhyme"), registry)
    for part in ("50 files of melody (.mel)", "1 file of rhyme (.rhyme)", "--modality"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "modality", "folder"),
    [("a.wav", "audio", "plugins/audio"), ("a.PNG", "image", "plugins/image"), ("a.txt", "text", "plugins/text")],
)
def test_an_official_plugin_that_is_missing(registry: Any, name: str, modality: str, folder: str) -> None:
    with pytest.raises(SourceError, match=f"2 files of {modality}, but .*pip install ./{folder}"):
        infer_modality(items(name, name, "b.xyz"), registry)


def test_nothing_that_any_plugin_reads(registry: Any) -> None:
    with pytest.raises(SourceError, match=r"\(none\): 1, \.xyz: 2; modalities installed: melody, rhyme"):
        infer_modality(items("a.xyz", "b.xyz", "c"), registry)


@pytest.mark.parametrize(
    ("name", "code", "detail"),
    [
        ("a.rhyme", "other-modality", ".rhyme is rhyme, not melody"),
        ("a.xyz", "unsupported", "files of extension .xyz"),
        ("a", "unsupported", "files without an extension"),
        ("a.wav", "unsupported", "install weft-audio"),
    ],
)
def test_why_an_item_takes_no_part(registry: Any, name: str, code: str, detail: str) -> None:
    reason = rejection(items(name)[0], "melody", registry)
    assert reason is not None
    assert reason.code == code
    assert detail in reason.detail


def test_an_item_that_takes_part(registry: Any) -> None:
    assert rejection(items("a.Mel")[0], "melody", registry) is None
