"""Near-duplicate images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

import weft
from weft_image.likeness import NORMAL, STRICT, same_picture
from weft_image.reading import PIXELS
from weft_image.signatures import keys_of
from weft_image.sketches import sketch as sketch_of
from weft_image.sketches import unlikeness, white_share

TOLERANCES = {"on": NORMAL, "strict": STRICT}
"""Values of ``image.near`` but for ``off``."""

_UNLIKE, _UNLIKE_ON_WHITE = 0.04, 0.5
_MUCH_WHITE = 0.1
"""A drawing on white that was made brighter keeps its ground, so its shades go other ways than those of a photograph,
and it may look less like its original: the more, the more is white."""


class NearImages(weft.NearDuplicates[Image.Image]):
    """Perceptual hashes of the picture and of windows into it nominate; pixels laid over each other decide.

    Args:
        strictness: A key of :data:`TOLERANCES`.
        mirrored: Whether mirror images count as the same.
    """

    def __init__(self, strictness: str, mirrored: bool) -> None:
        self._tolerance = TOLERANCES[strictness]
        self._mirrored = mirrored

    def sign(self, payloads: Sequence[Image.Image]) -> list[weft.Signature]:
        return [self._sign(payload) for payload in payloads]

    def close(self, sketch: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        white = np.maximum(white_share(others), white_share(sketch[None]))
        limits = np.interp(white, (0, _MUCH_WHITE), (_UNLIKE, _UNLIKE_ON_WHITE))
        found: npt.NDArray[np.bool_] = unlikeness(sketch, others, self._mirrored) <= limits
        return found

    def same(self, a: Image.Image, b: Image.Image) -> bool:
        if same_picture(a, b, self._tolerance):
            return True
        return self._mirrored and same_picture(a, b.transpose(Image.Transpose.FLIP_LEFT_RIGHT), self._tolerance)

    def rank(self, sample: weft.Sample[Image.Image]) -> float:
        """Pixels of the original."""
        return sample.figures.get(PIXELS, 0.0)

    def _sign(self, payload: Image.Image) -> weft.Signature:
        gray = np.asarray(payload.convert("L"), dtype=np.float32)
        return weft.Signature(keys_of(gray, self._mirrored), sketch_of(gray))
