"""Previews of a training on disk, and the page that shows how they come along.

previews/
  index.html         every prompt with what came of it, oldest first
  step-000123/       index.json: step, held-out figures, and of each preview its modality, prompt, seed, settings, file;
                     the files themselves
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from weft.errors import FolderError, PluginError
from weft.interfaces.generator import Artifact
from weft.pages.gallery import captioned
from weft.pages.template import render_page
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure
from weft.storage.atomic import write_json, write_text
from weft.storage.figures import finite

INDEX, PAGE = "index.json", "index.html"


@dataclass(frozen=True, slots=True)
class _Shown:
    """One preview on the page."""

    step: int
    seed: int
    html: Markup


def write_previews(
    folder: Path, step: int, artifacts: Sequence[Artifact[Any]], figures: Mapping[str, float], title: str
) -> Path:
    """Write the previews of one step, in the place of earlier ones of the same step, and the page anew.

    Args:
        folder: ``previews`` of the run; made if need be.
        step: Steps done.
        artifacts: In an order that is the same at every step.
        figures: Held-out figures at this step; what is not finite is left out.
        title: Heading of the page.

    Returns:
        The folder of the step. It counts once it has its index, which is written last.

    Raises:
        PluginError: The payload format of a plugin cannot show a payload.
        OSError: The disk is full, or cannot be written.
    """
    target = folder / f"step-{step:06d}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    entries = [_entry(target, number, artifact) for number, artifact in enumerate(artifacts, 1)]
    write_json(target / INDEX, {"step": step, "figures": finite(figures), "previews": entries})
    write_text(folder / PAGE, render_page("weft.pages", "previews.html", title=title, groups=_groups(folder)))
    return target


def read_previews(folder: Path) -> list[dict[str, Any]]:
    """The index of every step, by step; empty where there are no previews.

    Raises:
        FolderError: An index is damaged.
    """
    found = []
    for path in folder.glob(f"step-*/{INDEX}"):
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            found.append({"step": int(index["step"]), "previews": list(index["previews"]), **index})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FolderError(f"{path} is damaged ({error!r}); remove its folder") from error
    return sorted(found, key=lambda index: int(index["step"]))


def _entry(target: Path, number: int, artifact: Artifact[Any]) -> dict[str, Any]:
    path = artifact.save(target, str(number))
    title = captioned(artifact.modality, artifact.prompt)
    return {
        "modality": artifact.modality,
        "prompt": artifact.prompt,
        "seed": artifact.seed,
        "settings": {name: value for name, value in asdict(artifact.settings).items() if value not in (None, ())},
        "finished": artifact.drawn.finished,
        "file": path.name,
        "html": _html(artifact, target / str(number), title),
    }


def _html(artifact: Artifact[Any], path: Path, title: str) -> str:
    try:
        return artifact.format.html(artifact.payload, path, title=title)
    except FOREIGN_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the plugin
            raise
        raise PluginError(f"{artifact.modality} cannot be shown: its format {describe_failure(error)}") from error


def _groups(folder: Path) -> Iterator[tuple[str, str | None, list[_Shown]]]:
    """``(modality, prompt, previews by step)`` of each prompt."""
    groups: dict[tuple[str, str | None], list[_Shown]] = {}
    for index in read_previews(folder):
        for each in index["previews"]:
            shown = _Shown(index["step"], each["seed"], Markup(each["html"]))
            groups.setdefault((each["modality"], each["prompt"]), []).append(shown)
    for (modality, prompt), previews in groups.items():
        yield modality, prompt, previews
