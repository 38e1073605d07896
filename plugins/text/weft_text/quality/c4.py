"""The rules of Raffel et al., "Exploring the limits of transfer learning" (2020), section 2.2, by which C4 was made,
but for two: a line may end without a full stop, as FineWeb allows it, and bad words are for the harm filters."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import weft
from weft_text.options import TextOptions
from weft_text.quality.counting import sentences
from weft_text.quality.limits import Limit, LimitFilter

SOURCE = "C4 (Raffel et al., 2020)"

_PLACEHOLDER = re.compile(r"(?i)lorem ipsum")
_NOTICE = re.compile(
    r"(?i)javascript|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
_AROUND = 40


class Placeholders(weft.Filter[str]):
    """Rejects pages with "lorem ipsum" in them, which nobody wrote to be read, and with curly brackets, which are
    code."""

    name = "placeholders"
    source = SOURCE

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        text = sample.payload
        if match := _PLACEHOLDER.search(text):
            return weft.Reason("placeholder", "it has the filler text of an unfinished page in it", match.group())
        place = text.find("{")
        if place < 0:
            return None
        part = text[max(0, place - _AROUND) : place + _AROUND].strip()
        return weft.Reason("code", "it has curly brackets, so it is code or a template rather than prose", part)


class Notices(weft.Filter[str]):
    """Takes out lines about JavaScript, cookies and terms of use."""

    name = "notices"
    source = SOURCE

    def check(self, sample: weft.Sample[str]) -> weft.Revised[str] | None:
        lines = sample.payload.split("\n")
        notices = [line for line in lines if _NOTICE.search(line)]
        if not notices:
            return None
        left = "\n".join(line for line in lines if not _NOTICE.search(line))
        many = "1 line" if len(notices) == 1 else f"{len(notices)} lines"
        reason = weft.Reason("notices", f"{many} about JavaScript, cookies or terms of use", notices[0].strip())
        return weft.Revised(dataclasses.replace(sample, payload=left), reason)


class Sentences(LimitFilter):
    """How many sentences end in it."""

    name = "sentences"
    source = SOURCE

    def __init__(self, options: TextOptions) -> None:
        self.limits = (Limit("sentences", "few-sentences", "sentences", "min_sentences", options.min_sentences),)

    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]:
        return {"sentences": sentences(sample.payload)}
