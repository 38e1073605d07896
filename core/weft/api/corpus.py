"""A prepared corpus, as users hold it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from weft.preparation.report.why import Explanation, explain
from weft.storage.corpus import CorpusFolder
from weft.storage.summaries import corpus_summary

PathLike: TypeAlias = str | Path


class Corpus:
    """A prepared corpus on disk."""

    def __init__(self, folder: CorpusFolder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def sha256(self) -> str:
        """Hash of the content: equal for equal sources, options and seed, and for a learned codec equal device and
        threads."""
        return self.folder.sha256

    def summary(self) -> dict[str, Any]:
        """What ``weft inspect CORPUS --json`` prints."""
        return corpus_summary(self.folder)

    def why(self, name: str, sample: int | None = None) -> Explanation:
        """What became of one item, and why; see :func:`weft.preparation.report.why.explain`.

        Args:
            name: Its name, its path, or the end of its name; ``item#3`` is its sample of index 3.
            sample: Index of the one sample that is asked for, from 0.

        Raises:
            SourceError: There is no such item or sample, or there are several such items.
        """
        return explain(self.folder, name, sample)

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r})"


def corpus_path(corpus: Corpus | PathLike) -> Path:
    """Its folder."""
    return corpus.path if isinstance(corpus, Corpus) else Path(corpus)


def corpus_folders(corpus: Corpus | PathLike | Sequence[Corpus | PathLike]) -> list[CorpusFolder]:
    """One or several, opened."""
    several = [corpus] if isinstance(corpus, Corpus | str | Path) else list(corpus)
    return [each.folder if isinstance(each, Corpus) else CorpusFolder.open(Path(each)) for each in several]
