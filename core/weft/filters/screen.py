"""Leaves harmful and unwanted lines out of texts, and turns away what is harmful as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.errors import OptionError
from weft.filters.text_filter import TextFilter
from weft.filters.words import WordList
from weft.interfaces.preparer import Filter
from weft.interfaces.samples import Reason, Revised, Sample
from weft.storage.hashing import hash_json

SHARE = 0.3

_EXCERPT = 160
_BEFORE = 60


@dataclass(frozen=True, slots=True)
class _Finding:
    """Why a line or a text should go."""

    code: str
    detail: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found in a sample.

    Attributes:
        whole: Why all of it goes, if it does.
        lines: Of its text, by index.
        share: Of the characters of the text, those in the lines of ``lines``.
    """

    whole: _Finding | None
    lines: Mapping[int, _Finding]
    share: float


class TextScreen(Filter[Any]):
    """Looks at the text of a sample, line by line, and at its caption or prompt.

    - A text loses its harmful lines; it is rejected where more than ``share`` of its characters is in them, or where
      nothing else is left.
    - A caption or prompt that is harmful rejects its sample, and so does a harmful line in an answer to a prompt: half
      an answer is none.

    Args:
        words: Whether to look for the listed words.
        filters: Files of fitted filters, and ``.toml`` files with word lists of one's own.
        share: Of the characters of a text, white space not counted, from 0 to 1.

    Raises:
        weft.OptionError: A file cannot be read, or the share is none.
        weft.FolderError: A file is no filter.
    """

    name = "harm"
    source = "word list of Weft, and filters that were fitted on labelled texts"

    def __init__(self, *, words: bool = True, filters: Sequence[Path | str] = (), share: float = SHARE) -> None:
        if not 0 <= share <= 1:
            raise OptionError(f"the share of harmful text that a document may have is from 0 to 1; got {share}")
        paths = [Path(path) for path in filters]
        self._share = share
        self._lists = [WordList.default()] if words else []
        self._lists.extend(WordList.load(path) for path in paths if path.suffix.lower() == ".toml")
        self._filters = [TextFilter.load(path) for path in paths if path.suffix.lower() != ".toml"]
        self._last: tuple[Sample[Any], _Verdict] | None = None

    @property
    def sha256(self) -> str:
        """Of all that decides what is left out."""
        lists, filters = ([each.sha256 for each in self._lists], [each.sha256 for each in self._filters])
        return hash_json([self._share, lists, filters])

    def measure(self, sample: Sample[Any]) -> Mapping[str, float]:
        """``harmful_lines``, and ``harmful_share`` of the characters, of a sample that is text."""
        if not isinstance(sample.payload, str):
            return {}
        verdict = self._look(sample)
        return {"harmful_lines": float(len(verdict.lines)), "harmful_share": round(verdict.share, 6)}

    def check(self, sample: Sample[Any]) -> Reason | Revised[Any] | None:
        verdict = self._look(sample)
        if verdict.whole is not None:
            return Reason(verdict.whole.code, verdict.whole.detail, verdict.whole.excerpt)
        if not verdict.lines:
            return None
        lines = sample.payload.split("\n")
        rest = "\n".join(line for index, line in enumerate(lines) if index not in verdict.lines)
        first = next(iter(verdict.lines.values()))
        count = f"{len(verdict.lines)} of {len(lines)} lines"
        if sample.prompt is not None:
            return Reason(first.code, f"{count} of the answer: {first.detail}", first.excerpt)
        if verdict.share > self._share or not rest.strip():
            return Reason(first.code, f"{count}, {verdict.share:.0%} of the text: {first.detail}", first.excerpt)
        return Revised(replace(sample, payload=rest), Reason(first.code, f"{count}: {first.detail}", first.excerpt))

    def _look(self, sample: Sample[Any]) -> _Verdict:
        """What is found in a sample; :meth:`measure` and :meth:`check` ask for the same one after the other."""
        if self._last is None or not _same_text(self._last[0], sample):
            self._last = (sample, self._judge(sample))
        return self._last[1]

    def _judge(self, sample: Sample[Any]) -> _Verdict:
        caption = self._in_text(sample.prompt) if sample.prompt else None
        if caption is not None:
            what = "the prompt" if isinstance(sample.payload, str) else "the caption"
            whole = replace(caption, detail=f"{what}: {caption.detail}")
            return _Verdict(whole, {}, 0.0)
        if not isinstance(sample.payload, str):
            return _Verdict(None, {}, 0.0)
        lines = self._in_lines(sample.payload)
        return _Verdict(self._by_document(sample.payload), lines, _share(sample.payload, lines) if lines else 0.0)

    def _in_text(self, text: str) -> _Finding | None:
        """The first thing that is found in a text that stays or goes as a whole."""
        return next(iter(self._in_lines(text).values()), None) or self._by_document(text)

    def _in_lines(self, text: str) -> dict[int, _Finding]:
        lists = [each for each in self._lists if each.may_hit(text)]
        filters = [each for each in self._filters if each.facts.unit == "line"]
        if not lists and not filters:
            return {}
        found = ((index, _judge_line(line, lists, filters)) for index, line in enumerate(text.split("\n")))
        return {index: finding for index, finding in found if finding is not None}

    def _by_document(self, text: str) -> _Finding | None:
        documents = (each for each in self._filters if each.facts.unit == "document")
        return next((_by_filter(text, each) for each in documents if each.drops(text)), None)


def _same_text(a: Sample[Any], b: Sample[Any]) -> bool:
    return a.payload is b.payload and a.prompt is b.prompt


def _judge_line(line: str, lists: Sequence[WordList], filters: Sequence[TextFilter]) -> _Finding | None:
    for words in lists:
        if words.may_hit(line) and (hits := words.hits(line)):
            excerpt = _around(line, hits[0].start, hits[0].end)
            return _Finding("harmful", f"{line[hits[0].start : hits[0].end]!r} ({hits[0].group})", excerpt)
    return next((_by_filter(line, each) for each in filters if each.drops(line)), None)


def _by_filter(text: str, used: TextFilter) -> _Finding:
    word = used.most_telling(text)
    start = max(0, text.lower().find(word))
    detail = f"the filter {used.facts.name} is {used.probability(text):.0%} sure to drop it, most for {word!r}"
    return _Finding(f"filter-{used.facts.name}", detail, _around(text, start, start + len(word)))


def _around(text: str, start: int, end: int) -> str:
    """The offending part with some of what is around it, on one line."""
    begin = max(0, start - _BEFORE)
    return text[begin : max(end, begin + _EXCERPT)].replace("\n", " ").strip()


def _share(text: str, lines: Mapping[int, _Finding]) -> float:
    """Of the characters that are no white space, those in some lines."""
    sizes = [len("".join(line.split())) for line in text.split("\n")]
    return sum(sizes[index] for index in lines) / max(1, sum(sizes))
