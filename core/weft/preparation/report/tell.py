"""What became of an item, in words."""

from __future__ import annotations

from collections.abc import Iterator

from weft.pages.numbers import count, figure
from weft.preparation.report.clusters import display_name
from weft.preparation.report.why import Explanation, Other, SampleFate
from weft.preparation.report.words import reason_words, stage_words

_SIDES = {
    "train": "to train on",
    "validation": "held out for validation",
    "both": "to train on but for its end, which is held out for validation",
}

CAPTION = 120
"""Characters of a caption that are shown."""


def tell(explanation: Explanation) -> Iterator[str]:
    """Lines that a person reads; those that say more of the line before are indented."""
    yield f"{explanation.item}: {_headline(explanation)}"
    if explanation.verdict == "rejected":
        yield f"  {_rejection(explanation)}"
    if explanation.source is not None:
        under = f", license: {explanation.license}" if explanation.license else ", no license stated"
        yield f"  from {explanation.source}{under}"
    several = explanation.samples > 1
    for fate in explanation.each:
        yield f"  {f'{explanation.item}#{fate.sample} is ' if several else ''}{_verdict(fate)}"
        yield from (f"    {line}" for line in _more(fate))
    if several and len(explanation.each) < explanation.samples and len(explanation.each) > 1:
        yield "  --sample N explains one of the others"


def _headline(explanation: Explanation) -> str:
    if explanation.verdict == "left out":
        return f"left out, since {explanation.detail}"
    if explanation.verdict == "rejected":
        return "rejected as a whole"
    if explanation.samples == 1:
        return f"read, and its one sample is {'kept' if explanation.kept else 'rejected'}"
    reasons = ", ".join(f"{reason} {count(number)}" for reason, number in explanation.rejected.items())
    rejected = sum(explanation.rejected.values())
    end = f"; {count(rejected)} rejected: {reasons}" if rejected else ""
    return f"read; {count(explanation.kept)} of its {count(explanation.samples, 'sample')} are kept{end}"


def _rejection(row: Explanation | SampleFate) -> str:
    detail = f": {row.detail}" if row.detail else ""
    return f"turned away {stage_words(row.stage)}, as {row.reason or 'unfit'}{detail}"


def _verdict(fate: SampleFate) -> str:
    if fate.verdict == "rejected":
        return _rejection(fate)
    tokens = f"; it is {count(fate.tokens, 'token')}" if fate.tokens is not None else ""
    return f"kept, {_SIDES.get(fate.split or 'both', fate.split)}{tokens}"


def _more(fate: SampleFate) -> Iterator[str]:
    meaning = reason_words(fate.reason or "")
    if meaning and not fate.detail:
        yield f"{meaning[0].lower()}{meaning[1:].rstrip('.')}"
    if fate.excerpt:
        yield f"the part in question: {' '.join(fate.excerpt.split())}"
    if fate.duplicate_of is not None:
        yield f"like {display_name(fate.duplicate_of.name)}, which {_fate_of(fate.duplicate_of)}"
    if fate.stands_for:
        yield f"stands for {count(fate.stands_for, 'other')} that {'was' if fate.stands_for == 1 else 'were'} like it"
    if fate.caption:
        text = " ".join(fate.caption.split())
        yield f"caption: {text if len(text) <= CAPTION else text[:CAPTION] + '…'}"
    yield from (f"changed: {change}" for change in fate.changes)
    if fate.figures:
        yield "measured: " + ", ".join(f"{name} {figure(value)}" for name, value in sorted(fate.figures.items()))


def _fate_of(other: Other) -> str:
    if other.verdict == "elsewhere":
        return "is not of this corpus, but of one that it was compared with"
    if other.verdict == "rejected":
        return "was rejected itself"
    return f"is kept ({_SIDES.get(other.split or 'both', other.split)})"
