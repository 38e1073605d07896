"""The published heuristics for web pages: ``quality = web``."""

from __future__ import annotations

from collections.abc import Sequence

import weft
from weft_text.options import TextOptions
from weft_text.quality.c4 import Notices, Placeholders, Sentences
from weft_text.quality.fineweb import Layout
from weft_text.quality.gopher import Repetition, StopWords, Symbols, Words


def web_filters(options: TextOptions) -> Sequence[weft.Filter[str]]:
    """In the order in which they run: what takes lines out comes before what judges the page."""
    return (
        Placeholders(),
        Notices(),
        Words(options),
        Symbols(options),
        StopWords(options),
        Sentences(options),
        Layout(options),
        Repetition(options),
    )
