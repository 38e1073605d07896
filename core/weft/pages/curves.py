"""Loss curves out of the logs of runs: what is measured in one unit goes into one panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from weft.errors import FolderError, OptionError
from weft.pages.losses import UNITS, unit_words
from weft.storage.run import RunFolder

Axis = Literal["steps", "tokens", "minutes"]

HELD_OUT = "validation/"
"""How names of held-out figures begin in the log."""

_SMOOTHED_OVER = 0.02
"""Share of the points of a run that a smoothed one is the mean of."""
_FEW = 20
"""Up to so many points are drawn as they are."""

Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Places on the x axis, and values; each of shape ``(points,)``."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What one run has to show in one panel.

    Attributes:
        name: Of the run.
        training: As it was logged; empty where it was not measured in this unit.
        smoothed: The same, smoothed.
        held_out: Of evaluations.
    """

    name: str
    training: Points
    smoothed: Points
    held_out: Points


@dataclass(slots=True)
class Panel:
    """Curves that may be compared.

    Attributes:
        title: What is measured.
        unit: For the y axis.
        curves: In the order of runs.
    """

    title: str
    unit: str
    curves: list[Curve] = field(default_factory=list)


def panels_of(runs: Sequence[RunFolder], axis: Axis) -> list[Panel]:
    """Panels, in the order in which runs ask for them.

    Nats per token depend on the codec, whose tokens they are of: runs with different ones get panels of their own.

    Raises:
        FolderError: A run has logged nothing yet, or its log is damaged.
        OptionError: A run did not log what the x axis needs.
    """
    panels: dict[tuple[str, ...], Panel] = {}
    for run, name in zip(runs, distinct_names([run.path for run in runs]), strict=True):
        for key, panel in _panels_of_one(run, name, axis):
            panels.setdefault(key, Panel(panel.title, panel.unit)).curves += panel.curves
    _tell_codecs_apart(panels)
    return list(panels.values())


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, or as many as tell all of them apart."""
    whole = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(set(whole)):
            return names
    return [str(path) for path in paths]


def smooth(points: Points) -> Points:
    """Means over windows around each point. They shrink towards the beginning, so that the steep part is not moved
    sideways, and are cut off at the end, where a single point says little."""
    places, values = points
    count = len(values)
    index = np.arange(count)
    reach = int(count * _SMOOTHED_OVER) // 2 + (count > _FEW)
    half = np.minimum(index, reach)
    after = np.minimum(half, count - 1 - index)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return places, (sums[index + after + 1] - sums[index - half]) / (half + after + 1)


def _panels_of_one(run: RunFolder, name: str, axis: Axis) -> list[tuple[tuple[str, ...], Panel]]:
    rows = _rows(run)
    places = _places(run, rows, axis)
    modalities = run.manifest.modalities
    panels = []
    for key in _measured(rows, modalities):
        # The loss of a run of one modality is in nats per token of it; that of several is a mean over all of them.
        same = len(modalities) == 1 and key == f"{modalities[0]}/nats_per_token"
        training = _series(rows, "loss" if same else key, places)
        curve = Curve(name, training, smooth(training), _series(rows, HELD_OUT + key, places))
        panels.append((_identity(key, run), Panel(*_title(key, modalities), [curve])))
    return panels


def _rows(run: RunFolder) -> list[dict[str, Any]]:
    rows = list(run.metrics())
    if not rows:
        raise FolderError(f"{run.path} has logged no losses yet, so there is nothing to draw; train it first")
    return rows


def _measured(rows: Sequence[Mapping[str, Any]], modalities: Sequence[str]) -> list[str]:
    """What has a panel: every figure of a modality, and the mean loss where it is none of them."""
    names = {key.removeprefix(HELD_OUT) for row in rows for key in row}
    figures = [f"{modality}/{unit}" for modality in modalities for unit in reversed(UNITS)]
    figures += sorted(name for name in names - set(figures) if name.partition("/")[0] in modalities)
    found = [name for name in figures if name in names]
    alone = len(modalities) == 1 and f"{modalities[0]}/nats_per_token" in found
    return found if alone else ["loss", *found]


def _places(run: RunFolder, rows: Sequence[Mapping[str, Any]], axis: Axis) -> Mapping[int, float]:
    """Where each logged step stands on the x axis; steps between rows that say so lie between them."""
    steps = sorted({int(row["step"]) for row in rows})
    if axis == "steps":
        return {step: float(step) for step in steps}
    field_name, share = {"tokens": ("tokens", 1.0), "minutes": ("seconds", 60.0)}[axis]
    known = {int(row["step"]): float(row[field_name]) / share for row in rows if field_name in row}
    if not known:
        raise OptionError(f"{run.path} did not log {field_name}, as older runs do not; draw it over steps")
    at = sorted(known)
    # A run begins at step 0 with nothing spent.
    between = np.interp(steps, [0, *at], [0.0, *(known[step] for step in at)])
    return dict(zip(steps, between.tolist(), strict=True))


def _series(rows: Sequence[Mapping[str, Any]], key: str, places: Mapping[int, float]) -> Points:
    found = [(places[row["step"]], float(row[key])) for row in rows if key in row and np.isfinite(float(row[key]))]
    array = np.array(found, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _title(key: str, modalities: Sequence[str]) -> tuple[str, str]:
    """``(title, unit)``"""
    modality, slash, unit = key.partition("/")
    if not slash:
        return f"{', '.join(modalities)}: loss", "loss"
    return f"{modality}: {unit_words(unit)}", unit_words(unit)


def _identity(key: str, run: RunFolder) -> tuple[str, ...]:
    """Equal for figures that may be compared: bits per byte always, what is per token under equal codecs."""
    modality, slash, unit = key.partition("/")
    if not slash:
        return ("loss", *run.manifest.modalities, *sorted(run.manifest.codecs.values()))
    if unit == "bits_per_byte":
        return (key,)
    return (key, run.manifest.codecs.get(modality, ""))


def _tell_codecs_apart(panels: Mapping[tuple[str, ...], Panel]) -> None:
    """Say of panels that would else look alike what makes them two."""
    titles = [(panel.title, panel.unit) for panel in panels.values()]
    for (_, *codecs), panel in panels.items():
        if titles.count((panel.title, panel.unit)) > 1:
            panel.title += f" (codec {' '.join(code[:8] for code in codecs if len(code) == 64)})"
