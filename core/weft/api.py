"""The three verbs: prepare, train, generate. The only place where the stages are wired together."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Unpack

from weft.errors import FolderError, GenerationError, OptionError, TrainingError
from weft.generation.abilities import Abilities
from weft.generation.request import PayloadPrompt
from weft.generation.session import Precision, Prompt, Session
from weft.interfaces.generator import Artifact, Creativity, SamplingOptions
from weft.interfaces.progress import Reporter, Silent
from weft.interfaces.source import Source, SourceLimits
from weft.models.device import cpu_threads, enough_memory, pick_device, usable_processors
from weft.pages.curves import Axis
from weft.pages.plot import draw_losses
from weft.plugins.registry import get_registry
from weft.preparation.joint import joint_text_codec, reencode
from weft.preparation.pipeline import ITEM_SECONDS, EngineName, PrepareRequest, prepare_corpus
from weft.preparation.prompts import clean_prompt, find_prompts, read_prompts
from weft.preparation.report.why import Explanation, explain
from weft.storage.checkpoints import parse_which
from weft.storage.corpus import CorpusFolder
from weft.storage.run import RunFolder
from weft.storage.summaries import corpus_summary, run_summary
from weft.training.fit import make_fit
from weft.training.material import Material, gather
from weft.training.merging import merge_run
from weft.training.options import TrainOptions, check_options
from weft.training.plan import Plan, plan_run
from weft.training.previews import Draw, PreviewRequest, Weights
from weft.training.run import check_resumable, resume_run, train_run
from weft.training.shares import check_mix, parse_mix
from weft.training.starting import Start, check_corpora, open_start, with_codecs
from weft.training.world import World, open_world

PathLike = str | Path

CODEC_THREADS = 1
"""Learned codecs are small, and gain little from more."""


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


class Run:
    """A trained model on disk."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._sessions: dict[tuple[str | int, str, str | None], Session] = {}

    @property
    def path(self) -> Path:
        return self.folder.path

    def __fspath__(self) -> str:
        return str(self.path)

    def summary(self) -> dict[str, Any]:
        """What ``weft inspect RUN --json`` prints."""
        return run_summary(self.folder)

    def generate(
        self,
        prompt: Any = None,
        *,
        prompt_file: PathLike | Sequence[PathLike] | None = None,
        to: str | None = None,
        n: int = 1,
        temperature: float | None = None,
        creativity: Creativity | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        guidance: float | None = None,
        max_tokens: int | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        checkpoint: str | int = "best",
        precision: Precision = "float32",
        device: str | None = None,
        reporter: Reporter | None = None,
    ) -> list[Artifact[Any]]:
        """Make ``n`` artifacts of one prompt, or of each of several files.

        What is left at ``None`` is the modality's default; the sampling options are those of
        :class:`weft.SamplingOptions`.

        Args:
            prompt: What to make, or the beginning of a text to be continued; or a payload of a modality of which the
                run learned to make something, an image of Pillow to be captioned, say.
            prompt_file: A file, a folder, or several, instead of a prompt. They are read and cleaned as those of the
                run's corpora were; a file that holds several samples is several prompts. Seeds run on across prompts.
            to: Modality to make, where the run knows several.
            creativity: ``precise``, ``balanced`` or ``creative``, instead of a temperature.
            checkpoint: ``best`` on held-out data, ``last``, or the step of one that was kept.
            precision: ``float64`` makes one seed give one result, whatever ``n``.
            device: Where to compute; the best there is without it.
            reporter: Where progress goes.

        Raises:
            OptionError: A value out of its range, or options that exclude each other.
            SourceError: A file is missing or cannot be read.
            GenerationError: The run cannot answer this request.
        """
        options = SamplingOptions(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            guidance=guidance,
            seed=seed,
            n=n,
            max_tokens=max_tokens,
            seconds=seconds,
            stop=tuple(stop),
        )
        with enough_memory(GenerationError, "ask for fewer artifacts at once (n)"):
            prompts = self._prompts(prompt, prompt_file, to)
            session = self._session(checkpoint, precision, device, reporter or Silent())
            first = secrets.randbelow(2**31) if seed is None and len(prompts) > 1 else seed
            return [
                artifact
                for number, each in enumerate(prompts)
                for artifact in session.artifacts(
                    each,
                    to,
                    options if first is None else dataclasses.replace(options, seed=first + number * n),
                    creativity,
                    reporter or Silent(),
                )
            ]

    def stream(
        self,
        prompt: Any = None,
        *,
        prompt_file: PathLike | None = None,
        checkpoint: str | int = "best",
        precision: Precision = "float32",
        device: str | None = None,
        creativity: Creativity | None = None,
        stop: Sequence[str] = (),
        reporter: Reporter | None = None,
        **sampling: Any,
    ) -> Iterator[str]:
        """One text, piece by piece as it is drawn, the prompt's own text first.

        Takes the options of :meth:`generate` but ``n``; the pieces together are the artifact that it would give.

        Raises:
            GenerationError: As :meth:`generate`, or the run makes no text.
        """
        unknown = set(sampling) - (set(SamplingOptions.__dataclass_fields__) - {"n", "stop"})
        if unknown:
            raise OptionError(f"unknown sampling option {', '.join(sorted(unknown))}; see weft.SamplingOptions")
        options = SamplingOptions(**sampling, stop=tuple(stop))
        prompts = self._prompts(prompt, prompt_file, "text")
        if len(prompts) > 1:
            raise OptionError(f"{prompt_file} is {len(prompts)} prompts, and a stream is of one; generate them")
        session = self._session(checkpoint, precision, device, reporter or Silent())
        return session.stream(prompts[0], "text", options, creativity)

    def _prompts(self, prompt: Any, files: PathLike | Sequence[PathLike] | None, to: str | None) -> list[Prompt]:
        """What is given, read and cleaned; whether the run can answer it is asked before anything is read."""
        registry, abilities = get_registry(), Abilities.of(self.folder.manifest)
        options = self.folder.manifest.preparation
        if files is None:
            if prompt is None or isinstance(prompt, str):
                return [prompt]
            read = [clean_prompt(prompt, abilities.conditions, options, registry)]
        elif prompt is not None:
            raise OptionError("give either a prompt or a file with one, not both")
        else:
            found = find_prompts([files] if isinstance(files, str | Path) else list(files), registry)
            for file in found:
                abilities.target(to) if file.modality == "text" else abilities.target_of(file.modality, to)
            read = read_prompts(found, options, registry)
        return [
            each.payload if each.modality == "text" else PayloadPrompt(each.modality, each.payload, each.name)
            for each in read
        ]

    def _session(self, checkpoint: str | int, precision: Precision, device: str | None, reporter: Reporter) -> Session:
        key = (checkpoint, precision, device)
        if key not in self._sessions:
            self._sessions[key] = Session(
                self.folder,
                get_registry(),
                checkpoint=checkpoint,
                precision=precision,
                device=device,
                reporter=reporter,
            )
        return self._sessions[key]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


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
        codec=None if codec is None else _corpus_path(codec),
        exclude=[_corpus_path(each) for each in exclude],
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


def _corpus_path(corpus: Corpus | PathLike) -> Path:
    return corpus.path if isinstance(corpus, Corpus) else Path(corpus)


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
        OptionError: A value that cannot be used, or one that contradicts the run to be resumed.
        FolderError: ``out`` is in the way, or a folder is damaged.
    """
    chosen = check_options(options)
    path = Path(out)
    begun = RunFolder.open(path) if resume and (path / "run.json").exists() else None
    if begun is None and not force and (path / "run.json").exists():
        raise FolderError(f"{path} is a run already; go on with it by --resume, choose another folder, or pass --force")
    folders = _corpus_folders(corpus) or ([] if begun is None else begun.corpora())
    if not folders:
        raise OptionError("give at least one corpus to train on")
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
        OptionError: A value that cannot be used.
    """
    chosen = check_options(options)
    folders = _corpus_folders(corpus)
    if not folders:
        raise OptionError("give at least one corpus to train on")
    with open_world() as world:
        reporter = reporter if reporter is not None and world.is_main else Silent()
        with _gathered(folders, chosen, world, reporter) as (material, start):
            return plan_run(material, chosen, world, start)


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
        if start is not None:
            material = with_codecs(start, material)
        yield material, start


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


def _corpus_folders(corpus: Corpus | PathLike | Sequence[Corpus | PathLike]) -> list[CorpusFolder]:
    several = [corpus] if isinstance(corpus, Corpus | str | Path) else list(corpus)
    return [each.folder if isinstance(each, Corpus) else CorpusFolder.open(Path(each)) for each in several]


def load(path: PathLike) -> Corpus | Run:
    """Open a corpus or a run folder.

    Raises:
        FolderError: It is neither, or it is damaged or of a newer version.
    """
    folder = Path(path)
    if (folder / "run.json").exists():
        return Run(RunFolder.open(folder))
    if (folder / "corpus.json").exists():
        return Corpus(CorpusFolder.open(folder))
    if not folder.exists():
        raise FolderError(f"{folder} does not exist; give a folder made by `weft prepare` or `weft train`")
    raise FolderError(f"{folder} is neither a corpus nor a run: it has no corpus.json and no run.json")


def merge(
    run: Run | PathLike,
    *,
    out: PathLike,
    checkpoint: str | int = "best",
    force: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Fold the adapters of a run into plain weights: a run like any other, that gives what the one with adapters gives.

    It can be sampled and started from; training goes on with the run that has the adapters.

    Args:
        run: A run that was trained with ``lora``.
        out: The run folder to make.
        checkpoint: ``best`` on held-out data, ``last``, or the step of one that was kept.
        force: Replace a Weft folder that is in the way.
        reporter: Told of a damaged checkpoint, and of the one that is used instead.

    Raises:
        OptionError: The run has no adapters.
        FolderError: It is no run, it is damaged, or ``out`` is in the way.
    """
    folder = run.folder if isinstance(run, Run) else RunFolder.open(Path(run))
    warn = (reporter or Silent()).warn
    return Run(merge_run(folder, Path(out), which=parse_which(checkpoint), force=force, warn=warn))


def plot(
    runs: Sequence[Run | PathLike], *, out: PathLike, axis: Axis = "steps", log_x: bool = False, log_y: bool = False
) -> Path:
    """Draw the losses of some runs into one picture: training as a line, smoothed, held-out as points. What cannot be
    compared, such as nats per token of different codecs, gets a panel of its own.

    Args:
        runs: At least one.
        out: A file ``.png``, ``.pdf`` or ``.svg``; replaced if it is there.
        axis: What stands on the x axis: ``steps``, ``tokens`` or ``minutes``.
        log_x: Logarithmic x axis.
        log_y: Logarithmic y axis.

    Returns:
        The file.

    Raises:
        FolderError: One of them is no run, has logged nothing, or its log is damaged.
        OptionError: The file is of another kind or its folder is missing, or a run did not log what the axis needs.
    """
    folders = [each.folder if isinstance(each, Run) else RunFolder.open(Path(each)) for each in runs]
    draw_losses(folders, Path(out), axis=axis, log_x=log_x, log_y=log_y)
    return Path(out)
