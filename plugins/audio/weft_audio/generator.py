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
        # A low temperature would be no precision: sounds then dwell on their most likely piece, silence say.
        "precise": {"temperature": 1.0, "top_p": 0.98, "guidance": 3.0},
        "balanced": {"temperature": 0.9, "top_p": 0.95, "guidance": 1.5},
        "creative": {"temperature": 1.0, "top_p": 1.0, "guidance": 1.5},
    }

    def lengths(self, request: weft.Request, context: weft.GenerationContext) -> tuple[int, int]:
        """As in core; a length in seconds that a run for clips of one length cannot make is an error too."""
        facts, seconds = context.facts, request.options.seconds
        if facts.length is not None and facts.tokens_per_second is not None and seconds is not None:
            made = facts.length / facts.tokens_per_second
            if abs(seconds - made) > facts.unit / facts.tokens_per_second:
                raise weft.GenerationError(
                    f"this run makes clips of exactly {made:.2f} s, not of {seconds:g} s; leave out --seconds, or "
                    f"train on a corpus that was prepared without audio.fixed"
                )
        return super().lengths(request, context)
