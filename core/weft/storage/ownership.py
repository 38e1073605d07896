"""Whether a folder is one that Weft made, with nothing of the user's in it, so that ``--force`` may replace it."""

from __future__ import annotations

from pathlib import Path

OWN_NAMES = {
    "corpus.json": frozenset(
        {"corpus.json", "payloads.parquet", "samples.parquet", "verdicts.parquet", "codecs", "tokens"}
    ),
    "run.json": frozenset({"run.json", "codecs", "checkpoints", "metrics.jsonl", "previews"}),
}
"""Manifest to all that lies beside it in a corpus or a run."""

DEMO_MARK = '<meta name="generator" content="weft demo">'
"""In the head of the page that ``weft demo`` writes, by which its folder is known."""

HARMLESS_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave behind."""


def is_weft_folder(folder: Path) -> bool:
    """Whether a folder is a corpus, a run or a demo, and holds nothing else at its top."""
    names = {entry.name for entry in folder.iterdir() if not _is_harmless(entry.name)}
    if any(manifest in names and names <= own for manifest, own in OWN_NAMES.items()):
        return True
    return "index.html" in names and _is_demo_page(folder / "index.html")


def _is_harmless(name: str) -> bool:
    return name in HARMLESS_NAMES or (name.startswith(".") and name.endswith(".partial"))


def _is_demo_page(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return DEMO_MARK.encode() in file.read(4096)
    except OSError:
        return False
