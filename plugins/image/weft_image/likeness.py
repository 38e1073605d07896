"""Whether two pictures are the same to a person, decided on their pixels.

One picture is laid over the other (shifted, scaled and made as bright, by Gauss-Newton as in Lucas and Kanade 1981, "An
Iterative Image Registration Technique"), and what is left over is judged: on the whole, in the place where it is worst,
and in fine detail. Copies leave next to nothing; two sneakers of one model leave their laces.

Shapes are told by suffix letters: C channels, H and W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.floating[Any]]

_SIDE = 48
"""Larger pictures are compared at so many pixels a side."""
_WHITE = 0.97
_BLACK = 0.03
_COARSE, _FINE = 1.5, 1.0
"""Standard deviations, in pixels, of the blur under which pictures are laid over each other and judged: a copy that was
compressed or resized differs in what a narrower blur would leave."""
_DETAIL = 2.5
"""What a blur of this standard deviation takes away is fine detail."""
_PATCH = 5
"""Pixels a side of the smallest place that is judged by itself."""
_AREA = 9
"""Pixels a side of the smallest place whose detail is judged by itself: a plain cloth against a patterned one."""
_NO_DETAIL = 1e-3
"""Mean square that is no detail but noise."""
_SCALES = (0.85, 1.18)
_FAR = 0.12
"""Longest shift, as a share of the side."""
_GAINS, _OFFSET = (0.75, 1.34), 0.2
"""How much brighter, and by how much, a copy may be."""
_SAME_GAIN = 0.02
_PAPER_SLACK = 1.0
"""How much more may be left over of a drawing on paper, as a share of how much brighter it is: what was cut off at
white before the picture was made smaller cannot be told."""
_PALE = 0.9
"""What is as white as this may hold some paper."""
_ENOUGH = 16
"""Fewest levels that tell how bright something is."""
_MUCH_WHITE = 0.05
_WORTH_REFINING = 2.5
"""How many times what is allowed may be left over for more steps to be worth it."""
_WORTH_TURNING, _WORTH_TURNING_ON_WHITE = 3.0, 10.0
"""How many times what is allowed may be left over for the other direction to be tried; white hides where things end and
how bright they were, so more depends on the direction."""
_NARROWER = 1.02
"""From this growth in area on, the one that is moved shows less: borders that it lacks mislead the search."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may be left over.

    Attributes:
        whole: Mean square, as a share of the variance of the picture.
        place: Mean square in the worst place, in squares of the range from black to white.
        detail: Mean square of fine detail in the worst area, as a share of its own.
    """

    whole: float
    place: float
    detail: float


STRICT = Tolerance(0.03, 0.0008, 0.04)
NORMAL = Tolerance(0.06, 0.0016, 0.08)


@dataclass(frozen=True, slots=True)
class _Placement:
    """Where a pixel of one picture is in the other, for each axis: ``scale * (place - middle) + middle + shift``."""

    y: tuple[float, float] = (1.0, 0.0)
    x: tuple[float, float] = (1.0, 0.0)

    def moved(self, step: npt.NDArray[np.float64], side: int) -> _Placement:
        far = _FAR * side
        scales = np.clip([self.y[0] + step[0], self.x[0] + step[2]], *_SCALES)
        shifts = np.clip([self.y[1] + step[1], self.x[1] + step[3]], -far, far)
        return _Placement((scales[0], shifts[0]), (scales[1], shifts[1]))


@dataclass(frozen=True, slots=True)
class Difference:
    """What is left over, in the units of :class:`Tolerance`."""

    whole: float
    place: float
    detail: float

    def beyond(self, limit: Tolerance) -> float:
        """The greatest of the three as a multiple of what may be left over."""
        return max(self.whole / limit.whole, self.place / limit.place, self.detail / limit.detail)


def same_picture(a: Image.Image, b: Image.Image, limit: Tolerance = NORMAL) -> bool:
    """Whether one is a copy of the other: compressed, resized, made brighter or darker, its borders cut off.

    Args:
        a: Square, ``L`` or ``RGB``.
        b: The same; size and mode need not be those of ``a``. Where one is gray, both are compared in gray.
        limit: How much may be left over.
    """
    first, second = _prepared(a, b)
    # Making the darker brighter comes first: the other way cannot bring back what was cut off at white.
    if (first.mean(), first.tobytes()) > (second.mean(), second.tobytes()):
        first, second = second, first
    start = _roughly_over(first, second)
    if start.y[0] * start.x[0] > _NARROWER:
        first, second = second, first
        start = _roughly_over(first, second)
    nearness = _left_at_best(first, second, start, limit)
    if 1 < nearness <= (_WORTH_TURNING_ON_WHITE if _much_white(first) or _much_white(second) else _WORTH_TURNING):
        nearness = _left_at_best(second, first, _roughly_over(second, first), limit)
    return nearness <= 1


def _much_white(pixels_CHW: Floats) -> bool:
    return float((pixels_CHW > _WHITE).mean()) > _MUCH_WHITE


def _roughly_over(moved: Floats, fixed: Floats) -> _Placement:
    return _laid_over(_gray(moved), _gray(fixed), _Placement(), _COARSE, 2)


def _left_at_best(moved: Floats, fixed: Floats, start: _Placement, limit: Tolerance) -> float:
    """What is left over of one picture where the other is laid over it, as a multiple of what may be."""
    gray, other = _gray(moved), _gray(fixed)
    placement = _laid_over(gray, other, start, _FINE, 5)
    best = difference(moved, fixed, placement).beyond(limit)
    if 1 < best <= _WORTH_REFINING:
        best = min(best, difference(moved, fixed, _laid_over(gray, other, placement, _FINE, 8)).beyond(limit))
    if best > 1 and _much_white(fixed):
        # The search may have been led astray.
        best = min(
            best, *(difference(moved, fixed, other_place).beyond(limit) for other_place in (start, _Placement()))
        )
    return best


def difference(first_CHW: Floats, second_CHW: Floats, placement: _Placement) -> Difference:
    left, shown = _left_over(first_CHW, second_CHW, placement, _FINE)
    smooth_y, smooth_x = (_blur(length, _DETAIL) for length in left.shape[1:])
    squares = np.square(left).mean(0)
    detail_left = np.square(left - smooth_y @ left @ smooth_x.T).mean(0)
    detail_shown = np.square(shown - smooth_y @ shown @ smooth_x.T).mean(0)
    return Difference(
        whole=float(squares.mean()) / (float(shown.var(axis=(1, 2)).mean()) + 1e-4),
        place=float(_box_means(squares, _PATCH).max()),
        detail=float((_box_means(detail_left, _AREA) / (_box_means(detail_shown, _AREA) + _NO_DETAIL)).max()),
    )


def _prepared(a: Image.Image, b: Image.Image) -> tuple[Floats, Floats]:
    """Both of one size and one kind of color, ``(C, H, W)`` in [0, 1]."""
    side = min(*a.size, *b.size, _SIDE)
    mode = "L" if "L" in (a.mode, b.mode) else "RGB"
    first, second = (_scaled(picture, side, mode) for picture in (a, b))
    return first, second


def _scaled(picture: Image.Image, side: int, mode: str) -> Floats:
    picture = picture if picture.mode == mode else picture.convert(mode)
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32) / 255
    return pixels[None] if mode == "L" else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _gray(pixels_CHW: Floats) -> Floats:
    gray: Floats = pixels_CHW[0] if len(pixels_CHW) == 1 else np.tensordot(_LUMA, pixels_CHW, 1)
    return gray


def _laid_over(moved: Floats, fixed: Floats, start: _Placement, blur: float, steps: int) -> _Placement:
    """The placement of ``moved`` on ``fixed``, both ``(H, W)``, that leaves least over; brightness is free."""
    side = len(moved)
    smooth = _blur(side, blur)
    places = np.arange(side, dtype=np.float32) - (side - 1) / 2
    target = smooth @ fixed @ smooth.T
    slopes = np.zeros((6, side, side), dtype=np.float32)
    placement = start
    for _ in range(steps):
        rows, inside_y = _resampling(side, *placement.y)
        columns, inside_x = _resampling(side, *placement.x)
        warped = (smooth @ rows) @ moved @ (smooth @ columns).T
        counts = (inside_y[:, None] & inside_x) & ((warped < _WHITE) | (target < _WHITE))
        slopes[1, 1:-1] = (warped[2:] - warped[:-2]) / 2
        slopes[3, :, 1:-1] = (warped[:, 2:] - warped[:, :-2]) / 2
        slopes[0], slopes[2] = slopes[1] * places[:, None], slopes[3] * places
        slopes[4], slopes[5] = warped, 1
        system = (slopes * counts).reshape(6, -1)
        normal = (system @ system.T).astype(np.float64)
        normal.flat[::7] = normal.flat[::7] * 1.0001 + 1e-6
        solved = np.linalg.solve(normal, (system @ target.ravel()).astype(np.float64))
        step = np.clip(solved[:4] / max(solved[4], 0.3), (-0.05, -1, -0.05, -1), (0.05, 1, 0.05, 1))
        placement = placement.moved(step, side)
        if max(abs(step[0]) * side / 2, abs(step[1]), abs(step[2]) * side / 2, abs(step[3])) < 0.03:
            break
    return placement


def _left_over(moved_CHW: Floats, fixed_CHW: Floats, placement: _Placement, blur: float) -> tuple[Floats, Floats]:
    """What ``fixed`` shows beyond ``moved`` laid over it and made as bright, and what it shows, where both are."""
    side = moved_CHW.shape[-1]
    rows, inside_y = _resampling(side, *placement.y)
    columns, inside_x = _resampling(side, *placement.x)
    smooth_y, smooth_x = _blur(int(inside_y.sum()), blur), _blur(int(inside_x.sum()), blur)
    warped = rows[inside_y] @ moved_CHW @ columns[inside_x].T
    fixed = fixed_CHW[:, inside_y][:, :, inside_x]
    soft, shown = smooth_y @ warped @ smooth_x.T, smooth_y @ fixed @ smooth_x.T
    white = np.minimum(soft, shown).min(0)
    paper = white > _WHITE
    drawn = ~paper
    on_paper = float(paper.mean()) > _MUCH_WHITE
    if on_paper:
        seam = drawn & _grown(np.minimum(warped, fixed).min(0) > _PALE)
        drawn = drawn & ~seam if int((drawn & ~seam).sum()) >= _ENOUGH else drawn
    gain, offset = _brightness(soft[:, drawn], shown[:, drawn], not on_paper)
    expected = smooth_y @ np.clip(gain * warped + offset, 0, 1) @ smooth_x.T
    left = shown - expected
    if on_paper and abs(1 - gain) > _SAME_GAIN:
        # A pixel of both drawing and paper is made brighter by its share of the drawing alone.
        most = np.minimum(white, np.abs(expected - soft).min(0) / abs(1 - gain))
        blank = (soft.min(0) > _WHITE) & _grown(paper)
        share = np.where(blank, most, np.clip(left.mean(0) / (1 - gain), 0, most))
        left = (left - (1 - gain) * seam * share) / (1 + _PAPER_SLACK * abs(1 - gain))
    return np.where(paper, 0, left), shown


def _brightness(moved: Floats, fixed: Floats, both: bool) -> tuple[float, float]:
    """Factor and offset, the same for all channels, that bring the one closest to the other.

    Args:
        moved: Any number of levels from 0 to 1.
        fixed: Theirs in the other picture.
        both: Fit both; else the one of them that leaves less.
    """
    x, y = moved.ravel(), fixed.ravel()
    fits = [_factor_and_offset] if both else [_factor, _offset]
    found = []
    for fit in fits:
        gain, offset = fit(x, y)
        expected = gain * x + offset
        kept = ~(((expected > _WHITE) & (y > _WHITE)) | ((expected < _BLACK) & (y < _BLACK)))
        if not kept.all():
            gain, offset = fit(x[kept], y[kept])
        left = float(np.square(np.clip(gain * x + offset, 0, 1) - y).sum())
        found.append((left, gain, offset))
    return min(found)[1:]


def _factor_and_offset(x: Floats, y: Floats) -> tuple[float, float]:
    if x.size < _ENOUGH:
        return 1.0, 0.0
    middle_x, middle_y = float(x.mean()), float(y.mean())
    spread = float(np.square(x - middle_x).mean())
    factor = float(((x - middle_x) * (y - middle_y)).mean()) / spread if spread > 1e-5 else 1.0
    factor = min(max(factor, _GAINS[0]), _GAINS[1])
    return factor, min(max(middle_y - factor * middle_x, -_OFFSET), _OFFSET)


def _factor(x: Floats, y: Floats) -> tuple[float, float]:
    return min(max(float(x @ y) / (float(x @ x) + 1e-6), _GAINS[0]), _GAINS[1]) if x.size >= _ENOUGH else 1.0, 0.0


def _offset(x: Floats, y: Floats) -> tuple[float, float]:
    return 1.0, min(max(float((y - x).mean()), -_OFFSET), _OFFSET) if x.size >= _ENOUGH else 0.0


def _grown(places: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Everything within reach of the blur."""
    return _box_means(np.pad(places.astype(np.float32), _PATCH // 2), _PATCH) > 1e-3


def _resampling(side: int, scale: float, shift: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Weights of linear interpolation, ``(side, side)``, and which places are inside the picture."""
    middle = (side - 1) / 2
    line = np.arange(side, dtype=np.float32)
    places = scale * (line - middle) + middle + shift
    weights = np.maximum(0, 1 - np.abs(places.clip(0, side - 1)[:, None] - line), dtype=np.float32)
    return weights, (places >= -0.6) & (places <= side - 0.4)


def _box_means(values: Floats, side: int) -> Floats:
    """Means over every patch of so many pixels a side."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0, dtype=np.float64).cumsum(1)
    boxes: Floats = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2
    return boxes


@cache
def _blur(side: int, deviation: float) -> Floats:
    """A Gaussian along one axis, ``(side, side)``, that gives borders no more weight than they have."""
    line = np.arange(side)
    weights = np.exp(-np.square((line[:, None] - line) / deviation) / 2)
    blur: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return blur
