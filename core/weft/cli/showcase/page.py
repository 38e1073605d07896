"""The page: one file that opens from disk, with all it shows beside it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import weft
from weft.cli.showcase.view import Section
from weft.pages.template import render_page
from weft.plugins.official import common_extensions
from weft.plugins.registry import Registry
from weft.storage.atomic import write_text


@dataclass(frozen=True, slots=True)
class Colophon:
    """What the page says of its making.

    Attributes:
        seed: Of the demo.
        duration: Of all of it.
        extensions: Files that each modality reads, by title.
        set_aside: Plugins in quarantine, and why.
        activate: What to type before the commands work; empty where they do already.
        weft: Version.
        python: Version and system.
    """

    seed: int
    duration: str
    extensions: Sequence[tuple[str, str]]
    set_aside: Sequence[tuple[str, str]]
    activate: str
    weft: str = weft.__version__
    python: str = f"Python {platform.python_version()} on {platform.system()}"


def colophon(sections: Sequence[Section], registry: Registry, seed: int, duration: str) -> Colophon:
    """Gather it."""
    return Colophon(
        seed=seed,
        duration=duration,
        extensions=[(each.title, " ".join(common_extensions(registry.modality(each.name)))) for each in sections],
        set_aside=[(each.plugin.distribution, each.reason) for each in registry.quarantined],
        activate=activation(),
    )


def activation() -> str:
    """The line that puts ``weft`` on the path, where this Python is in a virtual environment that is not active."""
    if shutil.which("weft") or sys.prefix == sys.base_prefix:
        return ""
    return f"source {os.path.relpath(Path(sys.prefix) / 'bin' / 'activate')}"


def render(sections: Sequence[Section], made: Colophon) -> str:
    """The page as HTML; everything but the fragments of plugins is escaped."""
    return render_page("weft.cli.showcase", "index.html", sections=sections, made=made)


def write_page(path: Path, sections: Sequence[Section], made: Colophon) -> None:
    """Render and write it; it is whole or absent."""
    write_text(path, render(sections, made))
