"""Near-duplicate images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

import weft
from weft_image.likeness import NORMAL, STRICT, same_picture
from weft_image.reading import PIXELS
from weft_image.signatures import likeness, sign, white_share

TOLERANCES = {"on": NORMAL, "strict": STRICT}
"""Values of ``image.near`` but for ``off``."""

_WHITE_LEVEL = 250
_LIKE = 0.972
_LIKE_ON_WHITE = 0.8
_MUCH_WHITE = 0.1
"""A drawing on white that was made brighter keeps its ground, so its shades go other ways than those of a photograph,
and it may look less like its original."""


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
        on_white = np.maximum(white_share(others), white_share(sketch[None])) > _MUCH_WHITE
        found: npt.NDArray[np.bool_] = likeness(sketch, others, self._mirrored) >= np.where(
            on_white, _LIKE_ON_WHITE, _LIKE
        )
        return found

    def same(self, a: Image.Image, b: Image.Image) -> bool:
        if same_picture(a, b, self._tolerance):
            return True
        return self._mirrored and same_picture(a, b.transpose(Image.Transpose.FLIP_LEFT_RIGHT), self._tolerance)

    def rank(self, sample: weft.Sample[Image.Image]) -> float:
        """Pixels of the original."""
        return sample.figures.get(PIXELS, 0.0)

    def _sign(self, payload: Image.Image) -> weft.Signature:
        gray = np.asarray(payload.convert("L"))
        return sign(gray.astype(np.float32), float((gray >= _WHITE_LEVEL).mean()), self._mirrored)
