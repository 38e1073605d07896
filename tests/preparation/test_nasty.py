"""Broken files of the wild, through the plugins that are installed: each is used or rejected with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weft.interfaces.progress import Silent
from weft.interfaces.source import Source
from weft.models.device import pick_device
from weft.plugins.registry import get_registry
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.training.fit import make_fit

NASTY = Path(__file__).parents[3] / "shared" / "data" / "nasty"
STEPS = 2
"""Codecs are learned for this long only: what is tested is what becomes of the files."""


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["text", "image", "audio"])
def test_every_file_is_used_or_rejected_with_a_reason(modality: str, tmp_path: Path) -> None:
    registry = get_registry()
    if modality not in registry.modalities:
        pytest.skip(f"the plugin for {modality} is not installed")
    if not (NASTY / modality).is_dir():
        pytest.skip("the folder of nasty files is not here")
    learn = make_fit(Silent(), seed=0, device=pick_device("cpu"))

    def fit(trainer: Any, data: Any, *, steps: int, **given: Any) -> Any:
        return learn(trainer, data, steps=min(steps, STEPS), **given)

    request = PrepareRequest([Source(NASTY / modality)], tmp_path / "corpus", modality=modality, processes=2)
    corpus = prepare_corpus(request, registry, fit, Silent())
    rows = corpus.verdicts()
    assert {row["item"] for row in rows if row["sample"] is None} == {
        path.name for path in (NASTY / modality).iterdir()
    }
    assert all(row["reason"] and row["detail"] for row in rows if row["verdict"] == "rejected")
    counts = corpus.manifest["counts"]
    assert counts["items"] == counts["items_read"] + sum(counts["items_rejected"].values())
    assert counts["samples"] == counts["kept"] + sum(counts["rejected"].values())
    assert counts["kept"] > 0
    corpus.verify()
