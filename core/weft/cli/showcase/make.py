"""The demo as a whole: a folder, a chapter for each modality, and the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from weft.cli.showcase.chapter import Chapter, Wishes, tell
from weft.cli.showcase.page import colophon, write_page
from weft.cli.showcase.view import view
from weft.errors import PluginError
from weft.interfaces.progress import Reporter
from weft.pages.numbers import duration
from weft.plugins.registry import Registry
from weft.storage.atomic import new_folder, write_json
from weft.storage.ownership import DEMO_MANIFEST, DEMO_PAGE

SCHEMA = 1


def make_demo(
    out: Path, names: Sequence[str], wishes: Wishes, *, force: bool, registry: Registry, reporter: Reporter
) -> list[Chapter]:
    """Make the demo of some modalities; the page is written last, and says of each how far it came.

    Raises:
        PluginError: A modality is missing, or none brings a demo.
        FolderError: ``out`` is in the way.
    """
    chosen = pick(names, registry)
    begin_folder(out, chosen, force=force)
    began = time.monotonic()
    chapters = []
    for number, name in enumerate(chosen, 1):
        reporter.note(f"--- {name} ({number} of {len(chosen)})")
        chapters.append(tell(name, out / name, wishes, registry, reporter))
    sections = [view(chapter, registry, reporter) for chapter in chapters]
    taken = duration(time.monotonic() - began)
    write_page(out / DEMO_PAGE, sections, colophon(sections, registry, wishes.seed, taken))
    reporter.note(f"done in {taken}; the page opens in any browser:")
    return chapters


def pick(names: Sequence[str], registry: Registry) -> list[str]:
    """The modalities that were asked for, or all that bring a demo, text first.

    Raises:
        PluginError: One of them is missing or brings no demo, or there is none at all.
    """
    with_demo = sorted(
        (name for name, modality in registry.modalities.items() if modality.demo is not None),
        key=lambda name: (_ORDER.get(name, len(_ORDER)), name),
    )
    for name in names:
        if registry.modality(name).demo is None:
            raise PluginError(
                f"the modality {name!r} brings no demo (there is one of: {', '.join(with_demo) or 'none'})"
            )
    if not with_demo:
        raise PluginError("no installed plugin brings a demo; install weft-text, weft-image or weft-audio")
    return list(dict.fromkeys(names)) or with_demo


_ORDER = {"text": 0, "image": 1, "audio": 2}
"""From what is easiest to judge by eye; others follow by name."""


def begin_folder(out: Path, names: Sequence[str], *, force: bool) -> None:
    """An empty demo, by whose manifest Weft knows its own, in the place of an earlier one with ``force``."""
    with new_folder(out, force=force) as folder:
        write_json(folder / DEMO_MANIFEST, {"kind": "demo", "schema": SCHEMA, "modalities": list(names)})
