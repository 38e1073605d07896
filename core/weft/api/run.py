"""A trained model, as users hold it."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from weft.api.corpus import PathLike
from weft.errors import GenerationError, OptionError
from weft.generation.abilities import Abilities
from weft.generation.request import PayloadPrompt
from weft.generation.session import Precision, Prompt, Session
from weft.interfaces.generator import Artifact, Creativity, SamplingOptions
from weft.interfaces.progress import Reporter, Silent
from weft.models.device import cpu_threads, enough_memory
from weft.plugins.registry import get_registry
from weft.preparation.prompts import clean_prompt, find_prompts, read_prompts
from weft.storage.run import RunFolder
from weft.storage.summaries import run_summary


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
        threads: int | None = None,
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
            threads: CPU threads; as many as torch takes without it.
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
        with cpu_threads(threads), enough_memory(GenerationError, "ask for fewer artifacts at once (n)"):
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
        threads: int | None = None,
        creativity: Creativity | None = None,
        stop: Sequence[str] = (),
        reporter: Reporter | None = None,
        **sampling: Any,
    ) -> Iterator[str]:
        """One text, piece by piece as it is drawn, the prompt's own text first.

        Takes the options of :meth:`generate` but ``n``; the pieces together are the artifact that it would give.

        Raises:
            OptionError: As :meth:`generate`; all of it at the call, before the first piece is asked for.
            SourceError: As :meth:`generate`.
            GenerationError: As :meth:`generate`, or the run makes no text.
        """
        unknown = set(sampling) - (set(SamplingOptions.__dataclass_fields__) - {"n", "stop"})
        if unknown:
            raise OptionError(f"unknown sampling option {', '.join(sorted(unknown))}; see weft.SamplingOptions")
        options = SamplingOptions(**sampling, stop=tuple(stop))
        with cpu_threads(threads):
            prompts = self._prompts(prompt, prompt_file, "text")
            if len(prompts) > 1:
                raise OptionError(f"{prompt_file} is {len(prompts)} prompts, and a stream is of one; generate them")
            session = self._session(checkpoint, precision, device, reporter or Silent())
            pieces = session.stream(prompts[0], "text", options, creativity)
        return _with_threads(pieces, threads)

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


def _with_threads(pieces: Iterator[str], threads: int | None) -> Iterator[str]:
    """The same pieces, each computed with so many threads; whoever takes them has as many as before in between."""
    while True:
        with cpu_threads(threads):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece
