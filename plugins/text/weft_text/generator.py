"""What text generation does unless told otherwise."""

from __future__ import annotations

from typing import ClassVar

import weft


class TextGenerator(weft.TokenGenerator[str]):
    """Continues a beginning, or answers a prompt where the run learned from prompts.

    Without a wish the choice is the balanced one, and the least likely twentieth of it is left out, where a small
    model's errors are.
    """

    defaults: ClassVar[weft.SamplingOptions] = weft.SamplingOptions(
        temperature=0.6,
        top_k=0,
        top_p=0.95,
        min_p=0.0,
        repetition_penalty=1.0,
        guidance=1.0,
        max_tokens=256,
    )
    creativity: ClassVar = {
        "precise": {"temperature": 0.2},
        "balanced": {"temperature": 0.6},
        "creative": {"temperature": 1.0},
    }
