"""Words that make a line harmful, with their boundaries and their context."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from weft.errors import OptionError
from weft.filters.spelling import MARKS, fold, spellings
from weft.storage.hashing import hash_bytes

DEFAULT_WORDS = Path(__file__).with_name("words.toml")

_UNLESS_WITHIN = 12
_NEAR = 2
_SIGNS = "@$*!"
_LETTERS = f"(?:[^\\W_]|[{MARKS}])+"
_TOKEN = re.compile(rf"[@$]?{_LETTERS}(?:(?:['\u2019]|[*@$]+|!){_LETTERS})*[$]*")
# Letters and digits as they are, all else a space: the fastest way to words in Python.
_TO_WORDS = bytes(code if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_TO_DISGUISED = bytes(code if chr(code) in _SIGNS else _TO_WORDS[code] for code in range(256))


@dataclass(frozen=True, slots=True)
class Hit:
    """A harmful part of a line.

    Attributes:
        start: Index of its first character in the line.
        end: Index after its last.
        group: Which kind of harm the list says it is: ``obscene``, ``slurs``, ...
    """

    start: int
    end: int
    group: str


@dataclass(frozen=True, slots=True)
class _Token:
    """A word of a line: where it is, as it stands there, and folded."""

    start: int
    end: int
    written: str
    folded: str


@dataclass(frozen=True, slots=True)
class _Words:
    """Words by their whole, or by their beginning."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, words: Sequence[str]) -> _Words:
        folded = [fold(word) for word in words]
        return cls(
            frozenset(word for word in folded if not word.endswith("*")),
            tuple(word[:-1] for word in folded if word.endswith("*")),
        )

    def any_of(self, tokens: Sequence[_Token]) -> bool:
        return any(token.folded in self.whole or token.folded.startswith(self.beginnings) for token in tokens)


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a listed word counts: see the head of words.toml."""

    group: str
    needs: _Words | None = None
    unless: _Words | None = None
    near: int = _NEAR
    names: bool = False

    def counts(self, tokens: Sequence[_Token], index: int) -> bool:
        if self.names and tokens[index].written.istitle():
            return False
        if self.unless is not None and self.unless.any_of(_around(tokens, index, _UNLESS_WITHIN)):
            return False
        return self.needs is None or self.needs.any_of(_around(tokens, index, self.near))


class WordList:
    """Finds listed words in lines; see ``words.toml`` beside this module for the format of a list.

    Args:
        tables: The tables of a list, as ``tomllib`` reads them.

    Attributes:
        sha256: Of the list, where it was read from a file.

    Raises:
        ValueError: They are not such tables; the message is the end of a sentence about them.
    """

    def __init__(self, tables: Mapping[str, Any], sha256: str = "") -> None:
        self.sha256 = sha256
        self._rules: dict[str, _Rule] = {}
        for group, words in _groups(tables, "always"):
            self._add(words, _Rule(group))
        for context in _contexts(tables):
            self._add(context["words"], _context_rule(context))
        for group, words in _groups(tables, "anywhere"):
            self._add(words, _Rule(group))
        self._fragments = {fold(text): group for group, texts in _groups(tables, "anywhere") for text in texts}
        self._phrases = {fold(text): group for group, texts in _groups(tables, "phrases") for text in texts}
        unknown = set(tables) - {"always", "anywhere", "phrases", "context"}
        if unknown:
            raise ValueError(f"has a table {min(unknown)!r}; there are always, anywhere, phrases and context")

    @classmethod
    def load(cls, path: Path) -> WordList:
        """Read a list.

        Raises:
            weft.OptionError: The file cannot be read, or is no such list.
        """
        try:
            data = path.read_bytes()
            return cls(tomllib.loads(data.decode("utf-8")), hash_bytes(data))
        except OSError as error:
            raise OptionError(f"the word list {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise OptionError(f"the word list {path} is not UTF-8; save it as such") from error
        except tomllib.TOMLDecodeError as error:
            raise OptionError(f"the word list {path} is not valid TOML: {error}") from error
        except ValueError as error:
            raise OptionError(f"the word list {path} {error}") from error

    @classmethod
    @cache
    def default(cls) -> WordList:
        """The list that comes with Weft: English."""
        return cls.load(DEFAULT_WORDS)

    def may_hit(self, text: str) -> bool:
        """Whether any line of a text may be hit: a quick look at the whole, which most texts end with."""
        folded = fold(text)
        data = folded.encode("ascii", "replace")
        words = data.translate(_TO_WORDS).split()
        if not self._plain.isdisjoint(words) or any(part in folded for part in self._fragments):
            return True
        if self._may_have_phrase(words):
            return True
        if any(sign in folded for sign in _SIGNS):
            unusual = (word.strip(b"!*") for word in data.translate(_TO_DISGUISED).split() if not word.isalnum())
            tokens = (token for word in unusual if not word.isalnum() for token in _TOKEN.findall(word.decode("ascii")))
            if not self._disguised.isdisjoint(tokens):
                return True
        return self._other_letters and not folded.isascii() and bool(self.hits(text))

    def hits(self, line: str) -> list[Hit]:
        """The harmful parts of a line, in order."""
        tokens = [
            _Token(match.start(), match.end(), match.group(), fold(match.group())) for match in _TOKEN.finditer(line)
        ]
        found = [hit for index in range(len(tokens)) if (hit := self._judge(tokens, index)) is not None]
        found.extend(self._phrase_hits(line))
        return sorted(found, key=lambda hit: (hit.start, hit.end))

    def _judge(self, tokens: Sequence[_Token], index: int) -> Hit | None:
        token = tokens[index]
        plain = token.folded.partition("'")[0].strip(_SIGNS)
        rule = self._rules.get(token.folded) or self._rules.get(plain)
        if rule is not None and rule.counts(tokens, index):
            return Hit(token.start, token.end, rule.group)
        for part, group in self._fragments.items():
            if part in token.folded:
                return Hit(token.start, token.end, group)
        return None

    def _phrase_hits(self, line: str) -> Iterator[Hit]:
        # Folding may change the length of a line; the phrase is then shown by the line as a whole.
        folded = fold(line)
        for match in self._phrase_pattern.finditer(folded) if self._phrases else ():
            group = self._phrases[" ".join(re.split(r"[\W_]+", match.group()))]
            start, end = match.span() if len(folded) == len(line) else (0, len(line))
            yield Hit(start, end, group)

    def _add(self, words: Sequence[str], rule: _Rule) -> None:
        for word in words:
            for spelling in spellings(fold(word)):
                self._rules.setdefault(spelling, rule)

    @cached_property
    def _plain(self) -> frozenset[bytes]:
        return frozenset(word.encode("ascii") for word in self._rules if word.isascii() and word.isalnum())

    @cached_property
    def _disguised(self) -> frozenset[str]:
        return frozenset(word for word in self._rules if not word.isalnum())

    @cached_property
    def _other_letters(self) -> bool:
        return not all(map(str.isascii, (*self._rules, *self._phrases)))

    def _may_have_phrase(self, words: Sequence[bytes]) -> bool:
        if self._phrase_words.keys().isdisjoint(words):
            return False
        present = set(words)
        candidates = (parts for key in present & self._phrase_words.keys() for parts in self._phrase_words[key])
        return any(parts <= present for parts in candidates)

    @cached_property
    def _phrase_words(self) -> dict[bytes, list[set[bytes]]]:
        """The words of each phrase, by one of them."""
        found: dict[bytes, list[set[bytes]]] = {}
        for phrase in self._phrases:
            parts = phrase.encode("ascii", "replace").translate(_TO_WORDS).split()
            if parts:
                found.setdefault(max(parts, key=len), []).append(set(parts))
        return found

    @cached_property
    def _phrase_pattern(self) -> re.Pattern[str]:
        phrases = sorted(self._phrases, key=len, reverse=True)
        spaced = (r"[\W_]+".join(map(re.escape, phrase.split())) for phrase in phrases)
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(spaced)})(?![^\W_])")


def _groups(tables: Mapping[str, Any], name: str) -> Iterator[tuple[str, list[str]]]:
    groups = tables.get(name, {})
    if not isinstance(groups, Mapping):
        raise ValueError(f"has {name!r} where a table [{name}] of lists is needed")
    for group, words in groups.items():
        yield group, _texts(words, f"[{name}] {group}")


def _contexts(tables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    contexts = tables.get("context", [])
    if not isinstance(contexts, list) or not all(isinstance(each, Mapping) for each in contexts):
        raise ValueError("has 'context' where tables [[context]] are needed")
    for context in contexts:
        unknown = set(context) - {"words", "with", "unless", "near", "names"}
        if unknown:
            raise ValueError(f"has {min(unknown)!r} in a [[context]]; there are words, with, unless, near and names")
        _texts(context.get("words"), "[[context]] words")
        yield context


def _context_rule(context: Mapping[str, Any]) -> _Rule:
    needs, unless = (_texts(context.get(name, []), f"[[context]] {name}") for name in ("with", "unless"))
    near, names = context.get("near", _NEAR), context.get("names", False)
    if not isinstance(near, int) or isinstance(near, bool) or near < 1 or not isinstance(names, bool):
        raise ValueError(
            "has a [[context]] whose near is no number of words from 1, or whose names is not true or false"
        )
    return _Rule(
        "words in context",
        _Words.of(needs) if needs else None,
        _Words.of(unless) if unless else None,
        near,
        names,
    )


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise ValueError(f"has {value!r} as {where}, where a list of words is needed")
    return value


def _around(tokens: Sequence[_Token], index: int, distance: int) -> list[_Token]:
    return [*tokens[max(0, index - distance) : index], *tokens[index + 1 : index + 1 + distance]]
