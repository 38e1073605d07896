"""A fitted filter of texts, and its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from weft.errors import FolderError, OptionError
from weft.filters.features import BUCKETS, buckets_of, words_of
from weft.storage.atomic import write_bytes
from weft.storage.hashing import hash_bytes, hash_json
from weft.storage.schema import read_fields

Unit = Literal["line", "document"]

SCHEMA = 1
_KEY = "weft"
_MOST_CACHED = 200_000


@dataclass(frozen=True, slots=True)
class Mistake:
    """A held-out text that the filter gets wrong.

    Attributes:
        text: Its beginning.
        label: As the table has it.
        probability: That the filter gives to dropping it.
    """

    text: str
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class FilterReport:
    """How a filter did on texts that it was not fitted on.

    Attributes:
        texts: Different texts with a label.
        drop: Of those, how many are to be dropped.
        repeated: Rows that were left out as repeating another.
        contradicting: Rows that were left out as equal texts with both kinds of labels.
        background: Unlabelled texts that were taken as ones to keep.
        asked_precision: That the threshold was chosen for.
        held_out: Texts that the figures below were measured on.
        precision: Of the held-out texts that are dropped, the share that is to be dropped.
        recall: Of the held-out texts that are to be dropped, the share that is dropped.
        accuracy: The share of held-out texts that is right.
        wrongly_dropped: Examples, the surest first.
        wrongly_kept: Examples, the surest first.
        telling: Words that speak most for dropping.
    """

    texts: int
    drop: int
    repeated: int
    contradicting: int
    background: int
    asked_precision: float
    held_out: int
    precision: float
    recall: float
    accuracy: float
    wrongly_dropped: list[Mistake] = field(default_factory=list)
    wrongly_kept: list[Mistake] = field(default_factory=list)
    telling: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """What a filter is, apart from its weights.

    Attributes:
        name: Shown in reasons and reports.
        unit: Whether it judges lines, or documents as a whole.
        drop: Labels that it learned to drop.
        keep: Labels that it learned to keep.
        bias: Score of a text without any known part.
        threshold: Score from which on a text is dropped.
        unseen: Rarity of a part that was not learned from.
        report: How it did on held-out texts.
    """

    name: str
    unit: Unit
    drop: list[str]
    keep: list[str]
    bias: float
    threshold: float
    unseen: float
    report: FilterReport


class TextFilter:
    """Says which texts to drop, as it learned from labelled ones with :func:`weft.filters.fit_filter`.

    Args:
        facts: What it is.
        weights: For dropping, of each bucket, times its rarity: ``float32`` of shape ``(BUCKETS,)``.
        rarity: Of each bucket, ``float32`` of shape ``(BUCKETS,)``.

    Attributes:
        facts: What it is.
        sha256: Of all that decides what it drops.
    """

    def __init__(self, facts: FilterFacts, weights: npt.NDArray[np.float32], rarity: npt.NDArray[np.float32]) -> None:
        self.facts = facts
        self._weights = weights
        self._rarity = rarity
        self._known: dict[str, tuple[float, float]] = {}
        decides = [facts.unit, facts.bias, facts.threshold]
        self.sha256 = hash_json([*decides, hash_bytes(weights.tobytes()), hash_bytes(rarity.tobytes())])

    def score(self, text: str) -> float:
        """The log odds that the text is to be dropped."""
        total = square = 0.0
        for word in sorted(words_of(text)):
            weight, length = self._word(word)
            total += weight
            square += length
        return total / (square**0.5 or 1.0) + self.facts.bias

    def probability(self, text: str) -> float:
        """:meth:`score`, between 0 and 1."""
        return probability_of(self.score(text))

    def drops(self, text: str) -> bool:
        """Whether the text is to be dropped; one without any word never is."""
        return bool(text.strip()) and self.score(text) >= self.facts.threshold

    def most_telling(self, text: str) -> str:
        """The word of a text that speaks most for dropping it, folded; empty where there is none."""
        words = sorted(words_of(text))
        return max(words, key=lambda word: self._word(word)[0], default="")

    def _word(self, word: str) -> tuple[float, float]:
        """What a word adds to the sum of the weights, and to the squared length of the text's vector."""
        known = self._known.get(word)
        if known is None:
            hits = buckets_of(word)
            column = np.fromiter(hits, dtype=np.int64)
            times = np.fromiter(hits.values(), dtype=np.float64)
            known = float(times @ self._weights[column]), float(np.sum((times * self._rarity[column]) ** 2))
            if len(self._known) >= _MOST_CACHED:
                self._known.clear()
            self._known[word] = known
        return known

    def save(self, path: Path) -> None:
        """Write one safetensors file; equal filters give equal bytes.

        Raises:
            weft.OptionError: It cannot be written.
        """
        from safetensors.numpy import save

        used = np.flatnonzero((self._weights != 0) | (self._rarity != np.float32(self.facts.unseen)))
        arrays = {
            "buckets": used.astype(np.uint32),
            "weights": self._weights[used],
            "rarity": self._rarity[used],
        }
        manifest = {"kind": "text filter", "schema": SCHEMA, "sha256": self.sha256, "facts": asdict(self.facts)}
        data = save(arrays, {_KEY: json.dumps(manifest, ensure_ascii=False)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
        except OSError as error:
            raise OptionError(f"the filter cannot be written to {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path | str) -> TextFilter:
        """Read a filter.

        Raises:
            weft.OptionError: There is no such file.
            weft.FolderError: It is no filter, is damaged, or was written by a newer Weft.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise OptionError(
                f"the filter {path} cannot be read ({error.strerror}); make one with `weft fit-filter`"
            ) from error
        try:
            arrays = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            manifest = json.loads(header["__metadata__"][_KEY])
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise FolderError(f"{path} is no filter of texts; give a file made by `weft fit-filter`") from error
        return _restore(Path(path), manifest, arrays)


def probability_of(score: float) -> float:
    """The probability of log odds."""
    return float(np.exp(-np.logaddexp(0, -score)))


def _restore(path: Path, manifest: Any, arrays: dict[str, npt.NDArray[Any]]) -> TextFilter:
    if not isinstance(manifest, dict) or manifest.get("kind") != "text filter":
        raise FolderError(f"{path} is no filter of texts; give a file made by `weft fit-filter`")
    schema = manifest.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise FolderError(
            f"{path} was written by a newer Weft (schema {schema}; this one reads up to {SCHEMA}); upgrade weft"
        )
    facts = read_fields(FilterFacts, manifest.get("facts"), str(path))
    weights, rarity = np.zeros(BUCKETS, np.float32), np.full(BUCKETS, facts.unseen, np.float32)
    try:
        weights[arrays["buckets"]] = arrays["weights"]
        rarity[arrays["buckets"]] = arrays["rarity"]
    except (KeyError, IndexError, ValueError) as error:
        raise FolderError(f"{path} is damaged ({error}); fit the filter again, or restore the file") from error
    restored = TextFilter(facts, weights, rarity)
    if restored.sha256 != manifest.get("sha256"):
        raise FolderError(f"{path} is damaged: its checksum differs; fit the filter again, or restore the file")
    return restored
