"""Real paragraphs, copies of them that are nearly the same, and lines that are harmful: planted truth for texts."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

FEWEST_WORDS, MOST_WORDS = 30, 250
_SHARED_WORDS = 0.5
"""Paragraphs that have so many of their words in common could pass for copies of each other."""

_ENGLISH = frozenset(
    {"the", "of", "and", "to", "a", "in", "is", "was", "that", "it", "for", "he", "she", "you", "they", "with", "as"}
    | {"his", "her", "on", "be", "at", "by", "had", "not"}
)
_ENGLISH_SHARE = 0.15
"""So much of an English paragraph are the commonest words; the web pages have a few paragraphs in other languages."""

_HEADERS = (
    "Home | News | Sport | Weather | Contact us",
    "You are here: Start page > Archive > Article",
    "Print this page  Send to a friend  Share on social media",
    "Advertisement - scroll down to continue reading",
)
_FOOTERS = (
    "Copyright 2019 The Daily Example. All rights reserved.",
    "Subscribe to our newsletter and never miss a story again.",
    "Posted by admin on Monday, 14 March at 10:32 | 7 comments",
    "Read more: the ten best places to visit this summer",
)
_PUNCTUATION = str.maketrans("", "", ',;:"“”()_-')


def paragraphs(folder: Path, count: int, rng: random.Random) -> list[str]:
    """So many different English paragraphs of books and web pages.

    Args:
        folder: ``text`` of the sample data.
    """
    candidates = [text for text in _all_paragraphs(folder) if _is_fit(text.lower().split())]
    rng.shuffle(candidates)
    chosen = _different(candidates[: 2 * count])[:count]
    if len(chosen) < count:
        raise SystemExit(f"{folder} has only {len(chosen)} different paragraphs, {count} are needed")
    return chosen


def _is_fit(words: Sequence[str]) -> bool:
    return FEWEST_WORDS <= len(words) <= MOST_WORDS and sum(map(_ENGLISH.__contains__, words)) >= _ENGLISH_SHARE * len(
        words
    )


def _all_paragraphs(folder: Path) -> Iterator[str]:
    for book in sorted((folder / "books").glob("*.txt")):
        for block in re.split(r"\n\s*\n", book.read_text(encoding="utf-8")):
            yield " ".join(block.split())
    for line in (folder / "messy_web" / "c4_sample.jsonl").read_text(encoding="utf-8").splitlines():
        yield from json.loads(line)["text"].split("\n")


def _different(texts: Sequence[str]) -> list[str]:
    """Those that share less than half of their words with each before them."""
    words = [set(re.findall(r"\w+", text.lower())) for text in texts]
    places = {word: place for place, word in enumerate(sorted(set().union(*words)))}
    table = np.zeros((len(texts), len(places)), dtype=np.float32)
    for row, found in enumerate(words):
        table[row, [places[word] for word in found]] = 1
    common, sizes = table @ table.T, table.sum(axis=1)
    alike = common > _SHARED_WORDS * (sizes[:, None] + sizes[None, :] - common)
    return [text for row, text in enumerate(texts) if not alike[row, :row].any()]


def restyled(text: str, rng: random.Random) -> str:
    """Other case, punctuation and white space."""
    changed = rng.choice((text.upper(), text.lower(), text.title(), text))
    if rng.random() < 0.5 or changed == text:
        changed = changed.translate(_PUNCTUATION)
    words = changed.split()
    width = rng.randint(5, 12)
    return rng.choice(("\n", "  \n")).join(
        rng.choice((" ", "  ")).join(words[start : start + width]) for start in range(0, len(words), width)
    )


def reworded(text: str, rng: random.Random) -> str:
    """3 to 8 % of the words replaced by other words of the text, at least one."""
    words = text.split()
    for place in rng.sample(range(len(words)), max(1, round(len(words) * rng.uniform(0.03, 0.08)))):
        words[place] = rng.choice([word for word in words if word != words[place]])
    return " ".join(words)


def cut_short(text: str, rng: random.Random) -> str:
    """10 to 25 % are missing at the end."""
    return text[: round(len(text) * rng.uniform(0.75, 0.9))].rstrip()


def framed(text: str, rng: random.Random) -> str:
    """A line of the page before it, after it, or both."""
    before, after = rng.choice(((True, False), (False, True), (True, True)))
    return "\n".join([*([rng.choice(_HEADERS)] if before else []), text, *([rng.choice(_FOOTERS)] if after else [])])


def mistyped(text: str, rng: random.Random) -> str:
    """Letters swapped, doubled or left out in 2 to 5 % of the words, and the first sentence moved to the end."""
    words = text.split()
    for place in rng.sample(range(len(words)), max(1, round(len(words) * rng.uniform(0.02, 0.05)))):
        words[place] = _misspelled(words[place], rng)
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(words))
    return " ".join([*sentences[1:], sentences[0]]) if len(sentences) > 2 else " ".join(words)


def _misspelled(word: str, rng: random.Random) -> str:
    if len(word) < 3:
        return word + word[-1]
    place = rng.randrange(len(word) - 1)
    return rng.choice((
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        word[:place] + word[place] + word[place:],
        word[:place] + word[place + 1 :],
    ))  # fmt: skip


NEAR_COPIES: Mapping[str, Callable[[str, random.Random], str]] = {
    "case, punctuation, white space": restyled,
    "words replaced": reworded,
    "cut short": cut_short,
    "header or footer added": framed,
    "typos, a sentence moved": mistyped,
}


def with_line(text: str, line: str, rng: random.Random) -> str:
    """The text, a sentence a line, with one more line somewhere."""
    lines = re.split(r"(?<=[.!?])\s+", text)
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def foreign_paragraphs(folder: Path) -> dict[str, list[str]]:
    """Paragraphs of the Universal Declaration of Human Rights, of 40 characters and more, by language."""
    found = {}
    for path in sorted((folder / "messy_web" / "udhr").glob("udhr_*.txt")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.stem.removeprefix("udhr_")] = [line for line in dict.fromkeys(lines) if len(line) >= 40]
    return found


def labelled_lines(folder: Path) -> tuple[list[str], list[str]]:
    """Harmful lines (tweets of hate and offense), and harmless look-alikes (other tweets, text messages)."""
    tweets = _table(folder / "messy_web" / "tweets_labelled.csv")
    messages = _table(folder / "messy_web" / "sms_spam.csv")
    harmful = [text for label, text in tweets if label in ("hate", "offensive")]
    harmless = [text for label, text in tweets if label == "neither"]
    return _flat(harmful), _flat(harmless + [text for label, text in messages if label == "ham"])


def _table(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["text"]) for row in csv.DictReader(file)]


def _flat(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))
