"""Paragraphs of English prose out of documentation: no code, tables, lists, signatures or markup."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

_FEWEST_WORDS = 9

# :func:`~module.name`, ``code``, `name`, *stress* and **strength**: what is inside is kept.
_MARKUP = (
    (re.compile(r":[\w:+-]+:`~?([^`<]+?)(?:\s*<[^`>]*>)?`"), r"\1"),
    (re.compile(r"``([^`]+)``"), r"\1"),
    (re.compile(r"`([^`]+)'"), r"\1"),
    (re.compile(r"`([^`<]+?)(?:\s*<[^`>]*>)?`_{0,2}"), r"\1"),
    (re.compile(r"(?<![\w*])\*{1,2}(\w[^*]*?)\*{1,2}(?![\w*])"), r"\1"),
)
_BULLET = re.compile(r"\A\s*(?:[-*+]|\d+[.)])\s+")
_DIRECTIVE = re.compile(r"\.\. |:\w[\w ]*:|>>>|\.\.\. |@\w")
_CODE = re.compile(r"::=|->|==|\w\(.*\)\s*:|https?://|[{}|\\^<>]|--\w")
_SENTENCE_END = re.compile(r"[.!?][)\"']?$")
_PLAIN_START = re.compile(r"[A-Z][A-Za-z'-]* [\w\"'(]")
_COPYRIGHT = re.compile(r"(?i)copyright|licen[cs]e|all rights reserved|warrant|@|\$\w+")


def prose(documentation: str) -> Iterator[str]:
    """The paragraphs of a docstring that are prose, each on one line, in order.

    Args:
        documentation: As in the source, indentation and all.
    """
    for block in re.split(r"\n\s*\n", inspect.cleandoc(documentation)):
        paragraph = textwrap.dedent(_BULLET.sub(lambda match: " " * len(match.group()), block.rstrip(), count=1))
        lines = paragraph.splitlines()
        if not any(_is_odd(line) for line in lines) and not _DIRECTIVE.match(paragraph):
            yield from filter(is_prose, [without_markup(" ".join(paragraph.split()))])


def without_markup(text: str) -> str:
    """The text without reStructuredText's inline markup."""
    for pattern, kept in _MARKUP:
        text = pattern.sub(kept, text)
    return text


def is_prose(text: str) -> bool:
    """Whether a line reads as one or more whole English sentences."""
    words = text.split()
    if len(words) < _FEWEST_WORDS or not _SENTENCE_END.search(text) or not _PLAIN_START.match(text):
        return False
    if not text.isascii() or _CODE.search(text) or _COPYRIGHT.search(text):
        return False
    plain = sum(bool(re.fullmatch(r"[\"'(]?[A-Za-z][a-z'-]*[,.;:!?)\"']*", word)) for word in words)
    return plain >= 0.8 * len(words)


def _is_odd(line: str) -> bool:
    """Deeper lines are code or belong to a definition; a line of signs alone underlines a heading; and in prose that
    is wrapped no line begins with a bullet."""
    return line[:1].isspace() or not re.search(r"\w", line) or _BULLET.match(line) is not None
