"""What image generation does unless told otherwise."""

from __future__ import annotations

from typing import ClassVar

from PIL.Image import Image

import weft


class ImageGenerator(weft.TokenGenerator[Image]):
    """Draws every code of an image, guided by the prompt."""

    defaults: ClassVar[weft.SamplingOptions] = weft.SamplingOptions(
        temperature=0.9,
        top_k=0,
        top_p=0.95,
        min_p=0.0,
        repetition_penalty=1.0,
        guidance=1.5,
    )
    creativity: ClassVar = {
        "precise": {"temperature": 0.7, "guidance": 2.0},
        "balanced": {"temperature": 0.9, "guidance": 1.5},
        "creative": {"temperature": 1.0, "top_p": 1.0, "guidance": 1.0},
    }
