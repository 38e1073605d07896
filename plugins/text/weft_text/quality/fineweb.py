"""The rules that Penedo et al., "The FineWeb datasets" (2024), section 3.6, found by comparing good pages with bad."""

from __future__ import annotations

from collections.abc import Mapping

import weft
from weft_text.options import TextOptions
from weft_text.quality.counting import lines_of, share, words_of
from weft_text.quality.limits import Limit, LimitFilter

_SHORT = 30
"""Characters of a short line."""

_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟", '."', '!"', '?"', ".”", "!”", "?”", ".’", ".'", ".)", "」")


class Layout(LimitFilter):
    """How many lines end like a sentence, how many are short, and how many line breaks there are for each word: lists
    and menus rather than prose."""

    name = "layout"
    source = "FineWeb (Penedo et al., 2024)"

    def __init__(self, options: TextOptions) -> None:
        self.limits = (
            Limit("ended_lines", "list", "share of lines that end like a sentence", "min_ended_lines",
                  options.min_ended_lines),
            Limit("short_lines", "list", f"share of lines of less than {_SHORT} characters", "max_short_lines",
                  most=options.max_short_lines),
            Limit("line_breaks", "list", "line breaks for each word", "max_line_breaks", most=options.max_line_breaks),
        )  # fmt: skip

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        lines, words = lines_of(sample.payload), words_of(sample.payload)
        figures = {
            "ended_lines": share(sum(line.endswith(_ENDS) for line in lines), len(lines)),
            "short_lines": share(sum(len(line) < _SHORT for line in lines), len(lines)),
        }
        if words:
            figures["line_breaks"] = sample.payload.count("\n") / len(words)
        return figures

    def excerpt(self, text: str, limit: Limit) -> str:
        lines = lines_of(text)
        if limit.figure == "ended_lines":
            return next((line for line in lines if not line.endswith(_ENDS)), "")
        return next((line for line in lines if len(line) < _SHORT), "")
