"""Stage 1: raw files to a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.api.corpus import Corpus, PathLike, corpus_path
from weft.errors import TrainingError
from weft.interfaces.progress import Reporter, Silent
from weft.interfaces.source import Source, SourceLimits
from weft.models.device import cpu_threads, enough_memory, pick_device, usable_processors
from weft.plugins.registry import get_registry
from weft.preparation.pipeline import ITEM_SECONDS, EngineName, PrepareRequest, prepare_corpus
from weft.training.fit import make_fit

CODEC_THREADS = 1
"""Learned codecs are small, and gain little from more."""


def prepare(
    source: Source | PathLike | Sequence[Source | PathLike] | Any,
    *,
    out: PathLike,
    modality: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    force: bool = False,
    append: bool = False,
    codec: Corpus | PathLike | None = None,
    exclude: Sequence[Corpus | PathLike] = (),
    harm: bool = True,
    filters: Sequence[PathLike] = (),
    processes: int | None = None,
    engine: EngineName = "local",
    item_seconds: float = ITEM_SECONDS,
    limits: SourceLimits | None = None,
    threads: int = CODEC_THREADS,
    device: str | None = None,
    reporter: Reporter | None = None,
) -> Corpus:
    """Stage 1: raw files in, a corpus folder out.

    A preparation that was killed goes on where it was when it is asked for again, and gives the corpus that it would
    have given.

    Args:
        source: A file, a folder, an archive, a pattern, a URL, a data set in memory, or a :class:`weft.Source` that
            says more of one of these; or a list of several.
        out: The corpus folder to make.
        modality: What the files are; inferred from their extensions without it.
        options: Plugin options by full name, ``{"image.size": 32}``; what is left out is derived from the data.
        seed: Of the split and of codec learning.
        force: Replace a Weft folder that is in the way.
        append: Add what is new in the sources to the corpus at ``out``, with its options and codecs.
        codec: A corpus whose codecs are used instead of learning others, and its options where none are given.
        exclude: Corpora of which nothing may be in this one, a test set for example: what is the same or nearly the
            same is rejected.
        harm: Leave harmful text out, by the word list of :mod:`weft.filters`.
        filters: Files that ``weft fit-filter`` made.
        processes: How many read and clean; one a processor without it. The corpus does not depend on it.
        engine: ``local`` processes, or ``ray``: those of a cluster.
        item_seconds: What reading an item may take before it is given up.
        limits: What archives may cost, against crafted ones.
        threads: CPU threads with which codecs are learned and used. Sums of floating-point numbers depend on it, so it
            is one number everywhere unless given.
        device: Where codecs are learned; the best there is without it.
        reporter: Where progress goes.

    Raises:
        SourceError: Nothing usable, or several modalities and none named.
        OptionError: An option that does not exist or has an impossible value.
        FolderError: ``out`` is in the way.
    """
    sources = list(source) if isinstance(source, list | tuple) else [source]
    reporter = reporter or Silent()
    where = pick_device(device)
    request = PrepareRequest(
        sources=[each if isinstance(each, Source) else Source(each) for each in sources],
        out=Path(out),
        modality=modality,
        options=options or {},
        seed=seed,
        force=force,
        append=append,
        codec=None if codec is None else corpus_path(codec),
        exclude=[corpus_path(each) for each in exclude],
        harm=harm,
        filters=[Path(each) for each in filters],
        processes=usable_processors() if processes is None else processes,
        engine=engine,
        item_seconds=item_seconds,
        limits=limits or SourceLimits(),
        learned_with={"device": where.type, "threads": threads},
    )
    with cpu_threads(threads), enough_memory(TrainingError, "learn smaller codecs, by the options of the modality"):
        folder = prepare_corpus(request, get_registry(), make_fit(reporter, seed=seed, device=where), reporter)
    return Corpus(folder)
