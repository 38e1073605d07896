"""What image generation does unless told otherwise."""

from __future__ import annotations

from typing import ClassVar

from PIL.Image import Image

import weft


class ImageGenerator(weft.TokenGenerator[Image]):
    """Draws every code of an image, guided by the prompt.

    Strong guidance at temperature 1 follows prompts as well as a lower temperature does, and keeps more of the variety
    of real images (``docs/decisions/image-sampling.md``).
    """

    defaults: ClassVar[weft.SamplingOptions] = weft.SamplingOptions(
        temperature=1.0,
        top_k=0,
        top_p=0.98,
        min_p=0.0,
        repetition_penalty=1.0,
        guidance=2.5,
    )
    creativity: ClassVar = {
        "precise": {"temperature": 0.7, "top_p": 0.95},
        "balanced": {"temperature": 1.0, "top_p": 0.98},
        "creative": {"temperature": 1.0, "top_p": 1.0, "guidance": 2.0},
    }
