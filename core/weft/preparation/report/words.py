"""Stages and reasons in words."""

from __future__ import annotations

from collections.abc import Sequence

from weft.interfaces.preparer import Filter
from weft.storage.corpus import SourceEntry

FILTER = "filter:"
"""How the stage of a filter begins."""

_STAGES = {
    "collect": "chosen by kind of file",
    "read": "read",
    "clean": "cleaned",
    "store": "stored",
    "deduplicate": "compared with each other",
}

_REASONS = {
    "unreadable": "It cannot be decoded, wholly or in part.",
    "empty": "There is nothing in it.",
    "unsupported": "No installed plugin reads this kind of file.",
    "other-modality": "It is content of another kind than this corpus.",
    "duplicate": "Its content is the same as that of another sample, which stands for it.",
    "near-duplicate": "It is so much like another sample, which stands for it, that a model would see the same twice.",
    "excluded": "It is in a corpus that was given as one to be kept out.",
    "blank": "It shows or holds next to nothing.",
}


def stage_label(stage: str) -> str:
    """A stage as the page calls it."""
    if stage.startswith(FILTER):
        return f"filter “{stage.removeprefix(FILTER)}”"
    return _STAGES.get(stage, stage)


def stage_words(stage: str) -> str:
    """Where something was turned away, after "turned away"."""
    if stage.startswith(FILTER):
        return f"by the filter {stage.removeprefix(FILTER)}"
    places = {
        "collect": "by its kind, before it was read",
        "read": "while it was read",
        "clean": "while it was cleaned",
        "store": "while it was stored",
        "deduplicate": "when it was compared with the others",
    }
    return places.get(stage, f"at the stage {stage}")


def reason_words(code: str) -> str:
    """What a reason of core means; empty for one that a plugin brings, whose detail says it."""
    return _REASONS.get(code, "")


def stage_order(filters: Sequence[Filter[object]]) -> list[str]:
    """Stages in the order in which samples pass them."""
    raw, clean = ([FILTER + each.name for each in filters if each.on == when] for when in ("raw", "clean"))
    return ["collect", "read", *raw, "clean", *clean, "store", "boilerplate", "deduplicate"]


def source_title(sources: Sequence[SourceEntry]) -> str:
    """What a corpus was made from, in a few words: the last part of each place."""
    names = [source.location.rstrip("/").rsplit("/", 1)[-1] or source.location for source in sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
