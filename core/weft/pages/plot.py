"""Loss curves as a picture that is read on a screen, in print, and by people who are color-blind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.errors import OptionError
from weft.pages.curves import Axis, Curve, Panel, panels_of
from weft.storage.atomic import write_bytes
from weft.storage.run import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito (Color Universal Design, 2008), without yellow, which is lost on white paper."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1.5, 1)))
_FAINT_UP_TO = 3
"""Up to so many runs show their training loss as it was logged behind the smoothed line."""
_LEGEND_COLUMNS = 3


def draw_losses(
    runs: Sequence[RunFolder],
    out: Path,
    *,
    axis: Axis = "steps",
    log_x: bool = False,
    log_y: bool = False,
    force: bool = False,
) -> None:
    """Draw the losses of some runs into one picture: training as a line, smoothed, held-out as points.

    Args:
        runs: At least one.
        out: A file ``.png``, ``.pdf`` or ``.svg``.
        axis: What stands on the x axis.
        log_x: Logarithmic x axis.
        log_y: Logarithmic y axis.
        force: Replace a file that is in the way.

    Raises:
        FolderError: A run has logged nothing, or its log is damaged.
        OptionError: The file is of another kind, is there already or its folder is missing, or a run did not log what
            the axis needs.
    """
    from matplotlib import rc_context

    if not runs:
        raise OptionError("give at least one run to draw")
    if out.suffix.lower() not in FORMATS:
        raise OptionError(f"{out} must end with {', '.join(FORMATS)}, which says what is drawn")
    if not out.parent.is_dir():
        raise OptionError(f"the folder {out.parent} does not exist; make it, or choose another for {out.name}")
    if out.is_dir():
        raise OptionError(f"{out} is a folder; name a file for the picture")
    if out.exists() and not force:
        raise OptionError(f"{out} is already there; choose another name by --out or pass --force")
    picture = _picture(panels_of(runs, axis), axis, log_x=log_x, log_y=log_y)
    data = io.BytesIO()
    # Without a date and a version, so that equal runs give equal bytes.
    nothing = {".png": {"Software": None}, ".pdf": {"CreationDate": None, "Producer": None}, ".svg": {"Date": None}}
    kind = out.suffix.lower()
    with rc_context({"svg.hashsalt": "weft"}):
        picture.savefig(data, format=kind[1:], dpi=150, metadata=nothing[kind])
    write_bytes(out, data.getvalue())


def _picture(panels: Sequence[Panel], axis: Axis, *, log_x: bool, log_y: bool) -> Figure:
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    legend_rows = -(-len(names) // _LEGEND_COLUMNS) + 1
    figure = Figure(figsize=(7.5 if columns == 1 else 11, 4.2 * rows + 0.25 * legend_rows), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        for curve, hidden in zip(panel.curves, covers(panel.curves), strict=True):
            _draw(axes, curve, names.index(curve.name), hidden, faint=len(names) <= _FAINT_UP_TO)
        _label(axes, panel, axis, log_x=log_x, log_y=log_y)
    handles = _legend_handles(names)
    figure.legend(handles=handles, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)
    return figure


def covers(curves: Sequence[Curve]) -> list[int]:
    """How many of those that are drawn after each have its very points, and would hide it."""
    shown = [tuple(np.concatenate(points).tobytes() for points in (curve.training, curve.held_out)) for curve in curves]
    return [shown[place + 1 :].count(points) for place, points in enumerate(shown)]


def _draw(axes: Axes, curve: Curve, number: int, hidden: int, *, faint: bool) -> None:
    """One run; what others lie on top of is so much wider that it can be seen around them."""
    style = _style(number)
    if faint:
        axes.plot(*curve.training, color=style["color"], linewidth=0.6, alpha=0.3)
    axes.plot(*curve.smoothed, color=style["color"], linestyle=style["linestyle"], linewidth=1.6 + 2.5 * hidden)
    axes.plot(
        *curve.held_out,
        color=style["color"],
        linestyle=":",
        linewidth=1.0,
        marker=style["marker"],
        markersize=5.5 + 4 * hidden,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )


def _style(number: int) -> dict[str, Any]:
    """Color, marker and dashes: no two runs have the same three, and either alone tells a few apart."""
    return {
        "color": _COLORS[number % len(_COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number % len(_DASHES)],
    }


def _label(axes: Axes, panel: Panel, axis: Axis, *, log_x: bool, log_y: bool) -> None:
    from matplotlib.ticker import (
        EngFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        NullLocator,
        ScalarFormatter,
        StrMethodFormatter,
    )

    axes.set_title(panel.title)
    axes.set_ylabel(panel.unit)
    axes.set_xlabel(axis)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    else:
        axes.set_xlim(left=0)
    # Millionths of steps there are none, but runs of a tenth of a minute.
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}") if axis == "minutes" else EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if log_y:
        axes.set_yscale("log")
        # Losses span less than a decade, where powers of ten would leave an axis without numbers.
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_locator(NullLocator())


def _legend_handles(names: Sequence[str]) -> list[Any]:
    """The runs, then what line and points mean."""
    from matplotlib.lines import Line2D

    runs = [Line2D([], [], label=name, linewidth=1.6, markersize=5.5, **_style(i)) for i, name in enumerate(names)]
    meaning = [
        Line2D([], [], color="#555555", linewidth=1.6, label="training (smoothed)"),
        Line2D([], [], color="#555555", linestyle=":", marker="o", markersize=5.5, label="held out"),
    ]
    return [*runs, *meaning]
