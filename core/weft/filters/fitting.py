"""Fits a filter of texts: logistic regression, its threshold by cross-validation, and a report on held-out texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weft.errors import OptionError
from weft.filters.features import Rows, bare, rarity, rows_of, words_of
from weft.filters.labels import Labelled, read_labelled, read_utf8
from weft.filters.logistic import fit_logistic
from weft.filters.text_filter import FilterFacts, FilterReport, Mistake, TextFilter, Unit, probability_of
from weft.storage.hashing import hash_bytes

PRECISION = 0.99

_STRENGTH = 3.0
_FOLDS = 5
_FEWEST = 20
"""Texts of each side that are needed to learn from."""

_FEWEST_FOUND = 5
"""A threshold that finds fewer has its precision by luck."""

_EXAMPLES = 5
_EXAMPLE_LENGTH = 200
_TELLING = 12
_BACKGROUND_PER_TEXT = 4
_BACKGROUND_LABEL = "background"


@dataclass(frozen=True, slots=True)
class _Material:
    """Different texts in an order that depends on nothing but themselves."""

    texts: list[Labelled]
    repeated: int
    contradicting: int
    background: int

    @property
    def drop(self) -> npt.NDArray[np.bool_]:
        return np.array([each.drop for each in self.texts])


@dataclass(frozen=True, slots=True)
class _Model:
    """What is learned from some of the texts."""

    idf: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    bias: float
    threshold: float

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return rows_of(texts, self.idf).times(self.weights) + self.bias


def fit_filter(
    labels: Path | str,
    out: Path | str | None = None,
    *,
    drop: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    precision: float = PRECISION,
    unit: Unit = "line",
    background: Sequence[Path | str] = (),
    name: str | None = None,
) -> TextFilter:
    """Fit a filter on texts that somebody labelled. Equal arguments give an equal filter.

    Args:
        labels: A ``.csv``, ``.tsv`` or ``.jsonl`` table; see :func:`weft.filters.read_labelled`.
        out: File to write the filter to; not written without it.
        drop: Labels that mean to drop a text; inferred where there are two known ones.
        keep: Labels that mean to keep it; all others without it.
        text_column: Column of the texts; found without it.
        label_column: Column of the labels; found without it.
        precision: Of the texts that are dropped, the share that should be dropped: the threshold is the lowest that
            reached it on texts not learned from, in five folds.
        unit: Whether the filter judges lines or whole documents, which should be what was labelled.
        background: Text files of the kind that is going to be filtered, nearly all of it to be kept: their lines (or
            whole texts, by ``unit``) are learned as such.
        name: Shown in reasons; the name of the file without it.

    Raises:
        weft.OptionError: The table cannot be used, there are too few texts, or no threshold has the precision.
    """
    if not 0.5 <= precision < 1:
        raise OptionError(f"the precision is a share from 0.5 to below 1; got {precision}")
    path = Path(labels)
    found = read_labelled(path, text_column=text_column, label_column=label_column, drop=drop, keep=keep)
    material = _material(path, found, _background([Path(each) for each in background], unit, len(found)))
    model = _fit(path, material.texts, precision)
    facts = FilterFacts(
        name=name or Path(out or labels).stem,
        unit=unit,
        drop=sorted({each.label for each in material.texts if each.drop}),
        keep=sorted({each.label for each in material.texts if not each.drop} - {_BACKGROUND_LABEL}),
        bias=model.bias,
        threshold=model.threshold,
        unseen=float(np.float32(model.idf.max())),
        report=_report(path, material, precision, model),
    )
    weights, idf = (model.weights * model.idf).astype(np.float32), model.idf.astype(np.float32)
    fitted = TextFilter(facts, weights, idf)
    if out is not None:
        fitted.save(Path(out))
    return fitted


def _background(paths: Sequence[Path], unit: Unit, labelled: int) -> list[Labelled]:
    """Evenly spaced texts of the background, no more than a few for each labelled one."""
    texts: list[str] = []
    for path in paths:
        text = read_utf8(path, f"the background {path}")
        texts.extend(filter(str.strip, text.split("\n") if unit == "line" else [text]))
    wanted = min(len(texts), _BACKGROUND_PER_TEXT * labelled)
    return [Labelled(texts[index * len(texts) // wanted], _BACKGROUND_LABEL, False) for index in range(wanted)]


def _material(path: Path, labelled: Sequence[Labelled], background: Sequence[Labelled]) -> _Material:
    """Equal texts once, and none that is labelled both ways."""
    by_words: dict[str, list[Labelled]] = {}
    for each in labelled:
        by_words.setdefault(_identity(each.text), []).append(each)
    clear = {key: rows for key, rows in by_words.items() if len({row.drop for row in rows}) == 1}
    contradicting = len(labelled) - sum(map(len, clear.values()))
    texts = {key: rows[0] for key, rows in clear.items()}
    new = {key: each for each in background if (key := _identity(each.text)) not in by_words}
    drop = sum(each.drop for each in texts.values())
    for count, side in ((drop, "drop"), (len(texts) - drop, "keep")):
        if count < _FEWEST:
            raise OptionError(
                f"{path} has {count} different texts to {side}, and {_FEWEST} of each side are needed; label more"
            )
    everything = {**texts, **new}
    ordered = [everything[key] for key in sorted(everything, key=lambda key: hash_bytes(key.encode()))]
    repeated = len(labelled) - contradicting - len(texts)
    return _Material(ordered, repeated, contradicting, len(new))


def _identity(text: str) -> str:
    """Equal for texts that a filter cannot tell apart."""
    return " ".join(sorted(words_of(text))).encode("utf-8", "replace").decode("utf-8")


def _fit(path: Path, texts: Sequence[Labelled], precision: float) -> _Model:
    drop = np.array([each.drop for each in texts])
    idf = rarity(each.text for each in texts)
    rows = rows_of([each.text for each in texts], idf)
    threshold = _threshold(path, _cross_validated(rows, drop), drop, precision)
    weights, bias = fit_logistic(rows, drop, _STRENGTH)
    return _Model(idf, weights, bias, threshold)


def _folds(drop: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """A fold for each text, both sides dealt out evenly."""
    folds = np.zeros(len(drop), dtype=np.int64)
    for side in (drop, ~drop):
        folds[side] = np.arange(side.sum()) % _FOLDS
    return folds


def _cross_validated(rows: Rows, drop: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The score of each text by a model that did not learn from it."""
    folds, scores = _folds(drop), np.zeros(len(drop))
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        weights, bias = fit_logistic(rows.take(outside), drop[outside], _STRENGTH)
        scores[inside] = rows.take(inside).times(weights) + bias
    return scores


def _threshold(path: Path, scores: npt.NDArray[np.float64], drop: npt.NDArray[np.bool_], precision: float) -> float:
    """The lowest score from which on the share of texts to drop is the precision.

    In the gap below the last text that is dropped it lies near to that one: a text of a kind that was not learned from
    scores near the bias, which may be in the middle of the gap.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(drop[order])
    reached = found / np.arange(1, len(order) + 1)
    # Equal scores fall on the same side, so a threshold is only below the last of them.
    last = np.append(np.diff(ranked) != 0, True)
    fitting = np.flatnonzero((reached >= precision) & last & drop[order] & (found >= _FEWEST_FOUND))
    if not len(fitting):
        best = reached[found >= _FEWEST_FOUND].max(initial=0.0)
        raise OptionError(
            f"{path}: on texts not learned from no threshold drops with precision {precision}; the best is "
            f"{best:.2f}: label more texts, or ask for less with --precision"
        )
    lowest = int(fitting[-1])
    below = ranked[min(lowest + 1, len(ranked) - 1)]
    return float(ranked[lowest] - (ranked[lowest] - below) / 4)


def _report(path: Path, material: _Material, precision: float, model: _Model) -> FilterReport:
    """Figures of a filter that is fitted on four fifths, on the rest; the filter itself is fitted on all."""
    folds = _folds(material.drop)
    inside = [each for each, fold in zip(material.texts, folds, strict=True) if fold == 0]
    outside = [each for each, fold in zip(material.texts, folds, strict=True) if fold != 0]
    judge = _fit(path, outside, precision)
    scores = judge.scores([each.text for each in inside])
    drop, dropped = np.array([each.drop for each in inside]), scores >= judge.threshold
    right = int((drop & dropped).sum())
    return FilterReport(
        texts=len(material.texts) - material.background,
        drop=int(material.drop.sum()),
        repeated=material.repeated,
        contradicting=material.contradicting,
        background=material.background,
        asked_precision=precision,
        held_out=len(inside),
        precision=right / int(dropped.sum()) if dropped.any() else 1.0,
        recall=right / int(drop.sum()),
        accuracy=float((drop == dropped).mean()),
        wrongly_dropped=_mistakes(inside, scores, np.flatnonzero(dropped & ~drop), surest=-1),
        wrongly_kept=_mistakes(inside, scores, np.flatnonzero(drop & ~dropped), surest=1),
        telling=_telling_words(material.texts, model),
    )


def _mistakes(
    texts: Sequence[Labelled], scores: npt.NDArray[np.float64], wrong: npt.NDArray[np.int64], *, surest: int
) -> list[Mistake]:
    order = sorted(wrong.tolist(), key=lambda index: surest * scores[index])[:_EXAMPLES]
    return [
        Mistake(
            " ".join(texts[index].text.split())[:_EXAMPLE_LENGTH], texts[index].label, probability_of(scores[index])
        )
        for index in order
    ]


def _telling_words(texts: Sequence[Labelled], model: _Model) -> list[str]:
    """Words of several texts that raise the score most when they stand alone."""
    counts: dict[str, int] = {}
    for each in texts:
        for word in {bare(word) for word in words_of(each.text)}:
            counts[word] = counts.get(word, 0) + 1
    words = sorted(word for word, count in counts.items() if count >= 3 and word.isalpha())
    scores = model.scores(words) if words else np.zeros(0)
    best = np.argsort(-scores, kind="stable")[:_TELLING]
    return [words[index] for index in best.tolist() if scores[index] > model.bias]
