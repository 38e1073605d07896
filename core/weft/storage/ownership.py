"""Whether a folder is one that Weft made, with nothing of the user's in it, so that ``--force`` may replace it."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

OWN_NAMES = {
    "corpus.json": frozenset(
        {
            *("corpus.json", "payloads", "payloads.parquet", "samples.parquet", "verdicts.parquet", "examples.parquet"),
            *("signatures.npz", "codecs", "tokens", "report.html", "report", "README.md"),
        }
    ),
    "run.json": frozenset(
        {"run.json", "codecs", "checkpoints", "metrics.jsonl", "previews", "tensorboard", "plugins"},
    ),
}
"""Manifest to all that lies beside it in a corpus or a run."""

DEMO_MANIFEST = "demo.json"
"""Says of what ``modalities`` a demo has folders."""

DEMO_PAGE, DEMO_MEDIA = "index.html", "page-files"
"""What else lies at the top of a demo; no modality can have these names."""

DEMO_PARTS = frozenset({"source", "corpus", "run", "generated"})
"""What lies in the folder of a modality."""

HARMLESS_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave behind."""


def is_weft_folder(folder: Path) -> bool:
    """Whether a folder is a corpus, a run or a demo, and nothing else lies at its top, or that of a demo's parts."""
    names = _names(folder)
    if any(manifest in names and names <= own for manifest, own in OWN_NAMES.items()):
        return True
    return DEMO_MANIFEST in names and _is_demo(folder, names)


def _is_demo(folder: Path, names: Set[str]) -> bool:
    try:
        manifest = json.loads((folder / DEMO_MANIFEST).read_text(encoding="utf-8"))
        modalities = {str(name) for name in manifest["modalities"]} if manifest["kind"] == "demo" else None
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if modalities is None or not names <= {DEMO_MANIFEST, DEMO_PAGE, DEMO_MEDIA, *modalities}:
        return False
    return all(_is_demo_part(folder / name) for name in modalities & names)


def _is_demo_part(folder: Path) -> bool:
    if not folder.is_dir() or not _names(folder) <= DEMO_PARTS:
        return False
    return all(is_weft_folder(part) for name in ("corpus", "run") if (part := folder / name).is_dir())


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not _is_harmless(entry.name)}


def _is_harmless(name: str) -> bool:
    return name in HARMLESS_NAMES or (name.startswith(".") and name.endswith(".partial"))
