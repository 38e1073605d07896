"""What audio generation does unless told otherwise."""

from __future__ import annotations

from typing import ClassVar

import weft
from weft_audio.waveform import Waveform


class AudioGenerator(weft.TokenGenerator[Waveform]):
    """Draws the codes of a sound until it ends by itself, guided by the prompt."""

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
