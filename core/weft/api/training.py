"""Stage 2: corpora to a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Unpack

from weft.api.corpus import Corpus, PathLike, corpus_folders
from weft.api.run import Run
from weft.errors import FolderError, OptionError, TrainingError
from weft.generation.session import Session
from weft.interfaces.generator import Artifact, SamplingOptions
from weft.interfaces.progress import Reporter, Silent
from weft.plugins.registry import get_registry
from weft.preparation.joint import joint_text_codec, reencode
from weft.storage.corpus import CorpusFolder
from weft.storage.hashing import hash_json
from weft.storage.run import RunFolder
from weft.training.material import Material, gather
from weft.training.options import TrainOptions, check_options
from weft.training.plan import Plan, plan_run
from weft.training.previews import Draw, PreviewRequest, Weights
from weft.training.run import check_resumable, resume_run, train_run
from weft.training.shares import check_mix, parse_mix
from weft.training.starting import Start, check_corpora, open_start, with_codecs
from weft.training.world import World, open_world


def train(
    corpus: Corpus | PathLike | Sequence[Corpus | PathLike] = (),
    *,
    out: PathLike,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
    **options: Unpack[TrainOptions],
) -> Run:
    """Stage 2: one or more corpora in, a run folder out.

    In each of several processes (``torchrun``) the same call joins them.

    Args:
        corpus: A corpus or its folder, or several, which one model then learns together. May be left out with
            ``resume``, where the corpora lie where they were.
        out: The run folder to make, or to go on with.
        resume: Go on from the last checkpoint of ``out`` with its settings, or begin where there is none yet.
        force: Replace a Weft folder that is in the way.
        reporter: Where progress goes.
        **options: See :class:`weft.TrainOptions`; what is left out, or ``None``, is decided before the first step. Of a
            run that is resumed ``device``, ``skip_nonfinite`` and those of checkpoints and watching may be others.

    Raises:
        TrainingError: Corpora that cannot share a run, a loss that is not finite, or too little memory.
        OptionError: A value that cannot be used, one that contradicts the run to be resumed, or a corpus given twice.
        FolderError: ``out`` is in the way, or a folder is damaged.
    """
    chosen = check_options(options)
    path = Path(out)
    begun = RunFolder.open(path) if resume and (path / "run.json").exists() else None
    if begun is None and not force and (path / "run.json").exists():
        raise FolderError(f"{path} is a run already; go on with it by --resume, choose another folder, or pass --force")
    folders = corpus_folders(corpus) or ([] if begun is None else begun.corpora())
    if not folders and resume:
        raise FolderError(f"there is no run to go on with in {path}; name its folder, or a corpus to begin with")
    if not folders:
        raise OptionError("give at least one corpus to train on")
    if begun is None:
        _check_distinct(folders)
    with open_world() as world:
        reporter = reporter if reporter is not None and world.is_main else Silent()
        if begun is not None:
            check_resumable(begun, chosen, [(folder.path.name, folder.sha256) for folder in folders])
            return Run(_resume(begun, folders, chosen, world, reporter))
        if resume:
            reporter.note(f"there is no run to go on with in {path} yet: it begins now")
        return Run(_begin(path, folders, chosen, world, reporter, force=force))


def plan(
    corpus: Corpus | PathLike | Sequence[Corpus | PathLike],
    *,
    reporter: Reporter | None = None,
    **options: Unpack[TrainOptions],
) -> Plan:
    """What :func:`train` would do with the same corpora and options, and what that takes: parameters, memory by kind,
    tokens, steps, time. Trains nothing, and writes nothing.

    Args:
        corpus: A corpus or its folder, or several.
        reporter: Where progress goes.
        **options: See :class:`weft.TrainOptions`.

    Raises:
        TrainingError: Corpora that cannot share a run.
        OptionError: A value that cannot be used, or a corpus given twice.
    """
    chosen = check_options(options)
    folders = corpus_folders(corpus)
    if not folders:
        raise OptionError("give at least one corpus to train on")
    _check_distinct(folders)
    with open_world() as world:
        reporter = reporter if reporter is not None and world.is_main else Silent()
        with _gathered(folders, chosen, world, reporter) as (material, start):
            return plan_run(material, chosen, world, start, reporter)


def _begin(
    path: Path, folders: Sequence[CorpusFolder], options: TrainOptions, world: World, reporter: Reporter, *, force: bool
) -> RunFolder:
    with _gathered(folders, options, world, reporter) as (material, start):
        corpora = [folder.path for folder in folders]
        return train_run(
            path,
            material,
            options,
            reporter,
            force=force,
            world=world,
            painter=_painter,
            corpora=corpora,
            start=start,
        )


def _check_distinct(folders: Sequence[CorpusFolder]) -> None:
    known: dict[str, Path] = {}
    for folder in folders:
        if folder.sha256 in known:
            raise OptionError(f"{folder.path} is the same corpus as {known[folder.sha256]}; give each corpus once")
        known[folder.sha256] = folder.path


@contextmanager
def _gathered(
    folders: Sequence[CorpusFolder], options: TrainOptions, world: World, reporter: Reporter
) -> Iterator[tuple[Material, Start | None]]:
    """What a new run is made from, and the run that it begins from."""
    if "mix" in options:  # said before a text codec is learned, which may take long
        check_mix(parse_mix(options["mix"]), [folder.modality for folder in folders])
    registry = get_registry()
    start = open_start(Path(options["init_from"])) if "init_from" in options else None
    if start is not None:
        check_corpora(start, folders, registry)
    known = None if start is None else start.text_codec
    with nullcontext(known) if known else joint_text_codec(folders, registry, reporter) as text_codec:
        with world.main_first():
            material = gather(folders, registry, text_codec, partial(reencode, reporter=reporter))
        _check_agreement(material, world)
        if start is not None:
            material = with_codecs(start, material)
        yield material, start


def _check_agreement(material: Material, world: World) -> None:
    """Every process has fitted the joint text codec by itself; other versions of a library could fit another one."""
    if not world.agree(float(int(hash_json(dict(material.codec_hashes))[:12], 16))):
        raise TrainingError("the processes have different codecs; install the same versions on every machine")


def _resume(
    begun: RunFolder, folders: Sequence[CorpusFolder], options: TrainOptions, world: World, reporter: Reporter
) -> RunFolder:
    own_codec = begun.codec_folder("text") if "text" in begun.manifest.codecs else None
    with world.main_first():
        material = gather(folders, get_registry(), own_codec, partial(reencode, reporter=reporter))
    return resume_run(begun.path, material, options, reporter, world=world, painter=_painter)


def _painter(folder: RunFolder, device: torch.device) -> Draw:
    """How training makes its previews: as :meth:`Run.generate` does, with the weights of the moment."""
    sessions: list[Session] = []

    def draw(weights: Weights, requests: Sequence[PreviewRequest]) -> list[Artifact[Any]]:
        if sessions:
            sessions[0].take(weights)
        else:
            sessions.append(Session(folder, get_registry(), device=str(device), weights=weights))
        return [
            artifact
            for each in requests
            for artifact in sessions[0].artifacts(
                each.prompt,
                each.modality,
                SamplingOptions(seed=each.seed, max_tokens=each.max_tokens),
                None,
                Silent(),
            )
        ]

    return draw
