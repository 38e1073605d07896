"""Labelled texts from a table, and which labels mean to drop."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.errors import OptionError

TEXT_COLUMNS = ("text", "tweet", "comment_text", "comment", "content", "sentence", "line", "message", "body", "caption")
LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "verdict", "tag", "keep", "drop", "y")
DROP_WORDS = frozenset(
    {"drop", "bad", "harm", "harmful", "toxic", "hate", "offensive", "abusive", "abuse", "insult", "profane", "obscene"}
    | {"spam", "unsafe", "nsfw", "reject", "remove", "irrelevant", "off-topic", "junk", "1", "true", "yes"}
)
KEEP_WORDS = frozenset(
    {"keep", "good", "harmless", "safe", "clean", "ham", "neither", "none", "normal", "neutral", "ok", "okay", "fine"}
    | {"relevant", "on-topic", "accept", "nontoxic", "non-toxic", "sfw", "0", "false", "no", "not toxic", "benign"}
)
_KEEP_COLUMNS = frozenset({"keep", "relevant", "good", "safe", "accept", "on_topic"})
_TURNED = {"1": "0", "0": "1", "true": "false", "false": "true", "yes": "no", "no": "yes"}
_LABELS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, its label as the table has it, and whether that means to drop it."""

    text: str
    label: str
    drop: bool


def read_labelled(
    path: Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    drop: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
) -> list[Labelled]:
    """Read a table of labelled texts; rows without a text or a label are left out.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.jsonl`` file whose first row, or whose fields, name the columns.
        text_column: Column of the texts; found by its name or as the one with the longest texts without it.
        label_column: Column of the labels; found by its name or as the one with the fewest different values.
        drop: Labels to drop; all others are kept, unless ``keep`` names those.
        keep: Labels to keep; all others are dropped, unless ``drop`` names those. Rows of labels that neither names
            are left out where both are given. With neither, two labels that are known words are told apart.

    Raises:
        weft.OptionError: The table cannot be read, a column is not there or cannot be told, or labels cannot be.
    """
    rows = _read_rows(path)
    text_column = _column(path, rows, text_column, "text") or _longest_column(path, rows, exclude=label_column)
    label_column = _column(path, rows, label_column, "label") or _fewest_column(path, rows, exclude=text_column)
    pairs = [(text, label) for row in rows if (text := row.get(text_column)) and (label := row.get(label_column))]
    labels = Counter(label for _, label in pairs)
    dropped, kept = _sides(path, label_column, labels, drop, keep)
    return [Labelled(text, label, label in dropped) for text, label in pairs if label in dropped or label in kept]


def read_utf8(path: Path, what: str) -> str:
    """The text of a file, without a mark at its beginning.

    Args:
        path: The file.
        what: Names it in the message.

    Raises:
        OptionError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OptionError(f"{what} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{what} is not UTF-8 (byte {error.start}); save it as such") from error


def _read_rows(path: Path) -> list[dict[str, str]]:
    if path.suffix.lower() not in {".csv", ".tsv", ".jsonl"}:
        raise OptionError(f"{path} is no table of labels; give a .csv, .tsv or .jsonl file")
    text = read_utf8(path, str(path))
    reader = _json_rows if path.suffix.lower() == ".jsonl" else _csv_rows
    rows = [row for row in reader(path, text) if row]
    if not rows:
        raise OptionError(f"{path} has no rows; give a table with a column of texts and a column of labels")
    return rows


def _csv_rows(path: Path, text: str) -> Iterator[dict[str, str]]:
    head = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield {name.strip(): value.strip() for name, value in row.items() if name and isinstance(value, str)}
    except csv.Error as error:
        raise OptionError(f"{path}, line {reader.line_num}, is no valid row: {error}") from error


def _json_rows(path: Path, text: str) -> Iterator[dict[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"{path}, line {number}, is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise OptionError(f"{path}, line {number}, is no object with a text and a label")
        yield {name: _as_text(value).strip() for name, value in row.items() if value is not None}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _column(path: Path, rows: Sequence[Mapping[str, str]], asked: str | None, role: str) -> str | None:
    """The column that was asked for, or has a usual name."""
    names = {name for row in rows for name in row}
    if asked is not None:
        if asked not in names:
            raise OptionError(f"{path} has no column {asked!r}; it has {_listed(names)}")
        return asked
    usual = TEXT_COLUMNS if role == "text" else LABEL_COLUMNS
    lower = {name.lower(): name for name in sorted(names)}
    return next((lower[name] for name in usual if name in lower), None)


def _longest_column(path: Path, rows: Sequence[Mapping[str, str]], exclude: str | None) -> str:
    """The column whose texts are the longest, and have several words."""
    lengths: Counter[str] = Counter()
    for row in rows:
        for name, value in row.items():
            if name != exclude and " " in value:
                lengths[name] += len(value)
    if not lengths:
        raise OptionError(f"{path}: no column looks like texts; name it with --text-column")
    return max(sorted(lengths), key=lambda name: lengths[name])


def _fewest_column(path: Path, rows: Sequence[Mapping[str, str]], exclude: str | None) -> str:
    """The column of at least two values that repeats them the most."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            if name != exclude and value:
                values.setdefault(name, set()).add(value)
    fitting = {name: len(found) for name, found in values.items() if 2 <= len(found) <= max(2, len(rows) // 4)}
    if not fitting:
        raise OptionError(f"{path}: no column looks like labels; name it with --label-column")
    return min(sorted(fitting), key=lambda name: fitting[name])


def _sides(
    path: Path, column: str, labels: Mapping[str, int], drop: Sequence[str] | None, keep: Sequence[str] | None
) -> tuple[set[str], set[str]]:
    """The labels to drop and those to keep."""
    if len(labels) < 2:
        raise OptionError(f"{path}: the column {column!r} has one label only, {_listed(labels)}; two kinds are needed")
    for name in (*(drop or ()), *(keep or ())):
        if name not in labels:
            raise OptionError(f"{path}: no row has the label {name!r}; the column {column!r} has {_listed(labels)}")
    both = set(drop or ()) & set(keep or ())
    if both:
        raise OptionError(f"the label {min(both)!r} cannot be both dropped and kept; name it once")
    if drop or keep:
        dropped = set(drop or set(labels) - set(keep or ()))
        kept = set(keep or set(labels) - dropped)
    else:
        dropped, kept = _inferred(column, labels)
    if not dropped or not kept:
        raise OptionError(
            f"{path}: which labels mean to drop cannot be told from {_listed(labels)}; "
            f"name them with --drop, such as --drop {min(labels)}"
        )
    return dropped, kept


def _inferred(column: str, labels: Mapping[str, int]) -> tuple[set[str], set[str]]:
    """Told apart by known words; where there are two labels, one of them is enough."""
    turned = column.lower() in _KEEP_COLUMNS
    meaning = {label: _TURNED.get(label.lower(), label.lower()) if turned else label.lower() for label in labels}
    dropped = {label for label in labels if meaning[label] in DROP_WORDS}
    kept = {label for label in labels if meaning[label] in KEEP_WORDS}
    if len(labels) == 2 and len(dropped) + len(kept) == 1:
        rest = set(labels) - dropped - kept
        dropped, kept = dropped or rest, kept or rest
    return (dropped, kept) if len(dropped) + len(kept) == len(labels) else (set(), set())


def _listed(names: Mapping[str, int] | set[str]) -> str:
    shown = sorted(names)[:_LABELS_SHOWN]
    return ", ".join(map(repr, shown)) + (", ..." if len(names) > len(shown) else "")
