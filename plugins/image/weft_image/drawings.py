"""Captioned drawings for the demo: one large figure in the middle of a plain ground."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw

Color: TypeAlias = tuple[int, int, int]
Outline: TypeAlias = Sequence[tuple[float, float]]

FINER = 4
"""Figures are drawn so many times larger, and shrunk, which makes their edges smooth."""

COLORS: Mapping[str, Color] = {
    "red": (214, 40, 48),
    "orange": (245, 130, 32),
    "green": (42, 145, 80),
    "blue": (38, 84, 190),
    "purple": (128, 60, 160),
    "black": (34, 34, 40),
}
GROUNDS: Mapping[str, Color] = {
    "white": (252, 252, 250),
    "yellow": (250, 214, 88),
    "pink": (246, 186, 200),
    "mint": (172, 226, 200),
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn; its caption says it.

    Attributes:
        figure: A key of :data:`FIGURES`.
        color: A key of :data:`COLORS`.
        ground: A key of :data:`GROUNDS`.
    """

    figure: str
    color: str
    ground: str

    @property
    def caption(self) -> str:
        article = "an" if self.color[0] in "aeiou" else "a"
        return f"{article} {self.color} {self.figure} on {self.ground}"

    def draw(self, size: int, chance: random.Random) -> Image.Image:
        """A picture of ``size`` pixels a side; place, size, turn and shades vary a little."""
        large = size * FINER
        radius = large * chance.uniform(0.34, 0.42)
        middle = [large / 2 + large * chance.uniform(-0.03, 0.03) for _ in range(2)]
        turn = math.radians(chance.uniform(-10, 10))
        mask = Image.new("L", (large, large), 0)
        pen = ImageDraw.Draw(mask)
        for outline, inside in FIGURES[self.figure]:
            points = [_placed(x, y, radius, turn, middle) for x, y in outline]
            pen.polygon(points, fill=255 if inside else 0)
        ground = Image.new("RGB", (size, size), _shade(GROUNDS[self.ground], chance))
        figure = Image.new("RGB", (size, size), _shade(COLORS[self.color], chance))
        return Image.composite(figure, ground, mask.resize((size, size), Image.Resampling.BOX))


def all_drawings() -> list[Drawing]:
    """Every combination, in order."""
    return [Drawing(*each) for each in itertools.product(FIGURES, COLORS, GROUNDS)]


def _placed(x: float, y: float, radius: float, turn: float, middle: Sequence[float]) -> tuple[float, float]:
    cosine, sine = math.cos(turn) * radius, math.sin(turn) * radius
    return middle[0] + x * cosine - y * sine, middle[1] + x * sine + y * cosine


def _shade(color: Color, chance: random.Random) -> Color:
    change = chance.randint(-10, 10)
    red, green, blue = (min(255, max(0, channel + change)) for channel in color)
    return red, green, blue


def _circle(radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Outline:
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in _angles(72)]


def _polygon(corners: int, *radii: float, start: float = -math.pi / 2) -> Outline:
    """Corners at equal angles from the top on, at these distances from the middle in turn."""
    distances = itertools.cycle(radii)
    return [
        (radius * math.cos(start + angle), radius * math.sin(start + angle))
        for angle, radius in zip(_angles(corners), distances, strict=False)
    ]


def _heart() -> Outline:
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16 - 0.12,
        )
        for t in _angles(72)
    ]


def _plus(arm: float = 0.34) -> Outline:
    corner = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
    quarter = list(corner)
    outline: list[tuple[float, float]] = []
    for _ in range(4):
        outline += quarter
        quarter = [(-y, x) for x, y in quarter]
    return outline


def _angles(count: int) -> Iterator[float]:
    return (2 * math.pi * step / count for step in range(count))


FIGURES: Mapping[str, Sequence[tuple[Outline, bool]]] = {
    "circle": [(_circle(), True)],
    "ring": [(_circle(), True), (_circle(0.55), False)],
    "moon": [(_circle(), True), (_circle(0.85, 0.5, -0.15), False)],
    "square": [(_polygon(4, 1.2, start=-math.pi / 4), True)],
    "triangle": [([(x, y + 0.2) for x, y in _polygon(3, 1.2)], True)],
    "star": [(_polygon(10, 1.15, 0.5), True)],
    "heart": [(_heart(), True)],
    "cross": [(_plus(), True)],
}
"""Outlines about the middle in units of a figure's radius, y downwards, with whether what is in them is filled or cut
out."""
