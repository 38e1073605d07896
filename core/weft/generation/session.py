"""A trained model, ready to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from weft.codecs.bpe import StreamDecoder
from weft.codecs.prompts import normalize_prompt, normalize_text
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import FolderError, GenerationError, OptionError
from weft.generation.abilities import TEXT, Abilities
from weft.generation.engine import Engine
from weft.generation.request import PayloadPrompt, settle
from weft.interfaces.codec import Codec
from weft.interfaces.generator import (
    Artifact,
    Creativity,
    Drawn,
    GenerationContext,
    Generator,
    Request,
    SamplingOptions,
    SamplingPlan,
)
from weft.interfaces.progress import Reporter, Silent
from weft.interfaces.segments import EncodedSegment
from weft.models.adapters import fold_adapters
from weft.models.config import ModelConfig
from weft.models.device import pick_device
from weft.models.transformer import Transformer
from weft.plugins.registry import Registry
from weft.storage.checkpoints import Tensors, parse_which
from weft.storage.codecs import codec_hash, load_codec
from weft.storage.run import RunFolder

Prompt = str | PayloadPrompt | None
"""What is given: words, a payload of another modality, or nothing."""

Precision = Literal["float32", "float64"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request, settled and planned."""

    target: str
    prompt: Prompt
    options: SamplingOptions
    generator: Generator[Any]
    plan: SamplingPlan
    begun: Sequence[int]
    """Ids, in the codec's own space, of a text that is to be continued."""

    @property
    def seeds(self) -> list[int]:
        assert self.options.seed is not None
        return [self.options.seed + i for i in range(self.options.n)]

    @property
    def given(self) -> int:
        """Characters of the result that were given: a text that is continued, but no prompt that is answered."""
        return len(self.prompt) if self.begun and isinstance(self.prompt, str) else 0


class Session:
    """The weights of one checkpoint with the codecs of its run.

    Args:
        folder: The run.
        registry: Where codecs and generators come from.
        checkpoint: ``best``, ``last``, or the step of one that was kept.
        precision: ``float64`` makes batched and single generation agree to the last token.
        device: Where to compute; the best there is without it.
        reporter: Told of a damaged checkpoint, and of the one that is used instead.
        weights: Used instead of a checkpoint's: those of a run that is being trained.
    """

    def __init__(
        self,
        folder: RunFolder,
        registry: Registry,
        *,
        checkpoint: str | int = "best",
        precision: Precision = "float32",
        device: str | None = None,
        reporter: Reporter | None = None,
        weights: Tensors | None = None,
    ) -> None:
        which = parse_which(checkpoint)
        if precision not in ("float32", "float64"):
            raise OptionError(f"precision must be 'float32' or 'float64', got {precision!r}")
        self._folder = folder
        self._registry = registry
        self._abilities = Abilities.of(folder.manifest)
        self._config = ModelConfig.from_json(folder.manifest.model)
        self._vocabulary = Vocabulary.from_json(folder.manifest.vocabulary)
        if self._vocabulary.size != self._config.vocab_size:
            raise self._damaged(f"{self._vocabulary.size} ids, and a model of {self._config.vocab_size}")
        self._sequences = Sequences(self._vocabulary)
        self._codecs: dict[str, Codec[Any]] = {}
        if weights is None:
            weights = folder.checkpoints.weights(which, (reporter or Silent()).warn)
        self._model = _make_model(folder, self._config, weights)
        self._model.to(_pick_device(device, precision), getattr(torch, precision))
        self._engine = Engine(self._model, registry.logits_processors())

    def take(self, weights: Tensors) -> None:
        """Go on with other weights of the same run."""
        self._model.load_state_dict(fold_adapters(weights))

    def artifacts(
        self,
        prompt: Prompt,
        to: str | None,
        options: SamplingOptions,
        creativity: Creativity | None,
        reporter: Reporter,
    ) -> list[Artifact[Any]]:
        """``options.n`` artifacts of one prompt, drawn in one batch and decoded one by one."""
        job = self._prepare(prompt, to, options, creativity)
        payload_format = self._registry.payload_format(job.target)
        artifacts = []
        for drawn in self._draw(job, reporter):
            payload = self._codec(job.target).decode([np.array([*job.begun, *drawn.tokens], dtype=np.int32)])[0]
            if job.options.stop:
                payload = _cut(payload, job.options.stop, job.given)
            settings = replace(job.options, seed=drawn.seed, n=1)
            words = job.prompt if isinstance(job.prompt, str) else None
            name = job.prompt.name if isinstance(job.prompt, PayloadPrompt) else ""
            artifacts.append(Artifact(payload, job.target, words, drawn, settings, payload_format, name or None))
        return artifacts

    def stream(
        self, prompt: Prompt, to: str | None, options: SamplingOptions, creativity: Creativity | None
    ) -> Iterator[str]:
        """Pieces of one text, as soon as they are complete characters; together they are the artifact's payload.

        Raises:
            GenerationError: The target is not text.
        """
        job = self._prepare(prompt, to, replace(options, n=1), creativity)
        if job.target != "text":
            raise GenerationError(f"only text can be streamed, not {job.target}; generate it as a whole")
        return self._stream(job)

    def _stream(self, job: _Prepared) -> Iterator[str]:
        decoder = StreamDecoder(self._codec("text"))
        holder = _StopHolder(job.options.stop, job.given)
        yield from holder.feed("".join(decoder.feed(token) for token in job.begun))
        for step in self._engine.steps(job.plan, job.options, job.seeds):
            token = int(step.tokens[0])
            if token == job.plan.stop_id:
                break
            yield from holder.feed(decoder.feed(token - job.plan.block[0]))
            if holder.stopped:
                return
        yield from holder.feed(decoder.finish())
        yield from holder.finish()

    def _prepare(
        self, prompt: Prompt, to: str | None, options: SamplingOptions, creativity: Creativity | None
    ) -> _Prepared:
        given = prompt.modality if isinstance(prompt, PayloadPrompt) else TEXT
        target = self._abilities.target(to) if given == TEXT else self._abilities.target_of(given, to)
        generator = self._registry.generator(target)
        settled = settle(generator, options, creativity)
        if settled.stop and target != TEXT:
            raise GenerationError(f"--stop is for text, not for {target}; leave it out")
        if isinstance(prompt, PayloadPrompt):
            segments = [self._condition(prompt)]
        else:
            prompt, segments = self._segments(prompt, target)
        context = GenerationContext(
            self._codec(target).facts(),
            self._sequences,
            self._vocabulary.size,
            self._config.context_length,
            self._lengths(given, target),
        )
        plan = generator.plan(Request(target, segments, settled), context)
        begun = [int(token) for segment in segments if segment.role == "target" for token in segment.tokens]
        return _Prepared(target, prompt, settled, generator, plan, begun)

    def _lengths(self, given: str, target: str) -> dict[str, tuple[int, int]]:
        """Of targets by modality: where a payload is given, of those that were learned of such payloads."""
        lengths = {name: (low, high) for name, (low, high) in self._folder.manifest.lengths.items()}
        direction = self._abilities.direction(given, target)
        return lengths | ({target: direction.lengths} if direction is not None and given != TEXT else {})

    def _condition(self, prompt: PayloadPrompt) -> EncodedSegment:
        """The tokens of a payload.

        Raises:
            GenerationError: The codec cannot encode it.
        """
        try:
            (tokens,) = self._codec(prompt.modality).encode([prompt.payload])
        except OptionError as error:
            raise GenerationError(f"{prompt.name or 'the prompt'} cannot be given to this run: {error}") from error
        return EncodedSegment(prompt.modality, "condition", tokens)

    def _segments(self, prompt: str | None, target: str) -> tuple[str | None, list[EncodedSegment]]:
        """The prompt as it was learned: a condition, or the beginning of a text."""
        conditional = self._abilities.direction(TEXT, target) is not None
        if prompt is not None and not conditional and target != TEXT:
            raise GenerationError(
                f"this run was trained on {target} without captions and cannot follow a prompt; "
                "leave the prompt out, or train on captioned data"
            )
        if prompt is not None:
            prompt = normalize_prompt(prompt) if conditional and target != TEXT else normalize_text(prompt)
        if not prompt:
            return None, []
        tokens = self._codec(TEXT).encode([prompt])[0]
        return prompt, [EncodedSegment(TEXT, "condition" if conditional else "target", tokens)]

    def _draw(self, job: _Prepared, reporter: Reporter) -> list[Drawn]:
        rows = len(job.seeds)
        tokens: list[list[int]] = [[] for _ in range(rows)]
        logs: list[list[float]] = [[] for _ in range(rows)]
        finished = [False] * rows
        stopped = _StopTest(self._codec("text"), job.options.stop) if job.options.stop else None
        with reporter.task(f"generating {job.target}", job.plan.max_tokens, "token") as task:
            for step in self._engine.steps(job.plan, job.options, job.seeds):
                task.advance()
                for row, (token, log) in enumerate(
                    zip(step.tokens.tolist(), step.log_probabilities.tolist(), strict=True)
                ):
                    if finished[row]:
                        continue
                    if token == job.plan.stop_id:
                        finished[row] = True
                        continue
                    tokens[row].append(token - job.plan.block[0])
                    logs[row].append(log)
                    finished[row] = stopped is not None and stopped(tokens[row])
                if all(finished):
                    break
        exact = self._codec(job.target).facts().length
        return [
            Drawn(tokens[row], logs[row], seed, finished[row] or len(tokens[row]) == exact)
            for row, seed in enumerate(job.seeds)
        ]

    def _codec(self, modality: str) -> Codec[Any]:
        if modality not in self._codecs:
            folder = self._folder.codec_folder(modality)
            if codec_hash(folder) != self._folder.manifest.codecs.get(modality):
                raise FolderError(
                    f"{folder} is not the codec that the run was trained with; restore the folder, or train again"
                )
            codec = load_codec(folder, self._registry)
            _, size = self._vocabulary.block(modality)
            if codec.vocab_size != size:
                raise self._damaged(f"{size} ids of {modality}, and a codec of {codec.vocab_size}")
            self._codecs[modality] = codec
        return self._codecs[modality]

    def _damaged(self, what: str) -> FolderError:
        return FolderError(
            f"{self._folder.path / 'run.json'} is damaged: it has {what}; restore the file, or train again"
        )


def _make_model(folder: RunFolder, config: ModelConfig, weights: Tensors) -> Transformer:
    """Some weights in core's backbone, adapters folded in, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):  # what is overwritten at once must not advance the caller's generator
        model = Transformer(replace(config, adapter_rank=0))
    try:
        model.load_state_dict(fold_adapters(weights))
    except RuntimeError as error:
        raise FolderError(
            f"the weights of {folder.path} are not those of the Transformer in its run.json: either a plugin's trainer "
            f"trained a model of its own, which core's engine cannot sample, or the folder is damaged"
        ) from error
    return model.eval().requires_grad_(False)


def _pick_device(name: str | None, precision: Precision) -> torch.device:
    device = pick_device(name)
    if device.type != "mps" or precision != "float64":
        return device
    if name is not None:
        raise OptionError("device 'mps' has no float64; use device 'cpu', or leave out --precision")
    return torch.device("cpu")


class _StopTest:
    """Whether a text has come to contain a stop string with its newest token; asked after each.

    Args:
        codec: Of the text.
        stops: None of them empty.
    """

    def __init__(self, codec: Codec[str], stops: Sequence[str]) -> None:
        self._codec = codec
        self._stops = stops
        # What a newest token completes is no longer than the longest stop string, at up to four bytes a character and
        # at least one byte a token. Beginning within a character gives U+FFFD there, which must then not be looked for.
        bounded = min(codec.facts().bytes_per_token or (0,)) > 0 and not any("\ufffd" in stop for stop in stops)
        self._tail = 4 * max(map(len, stops)) if bounded else None

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Takes the drawn tokens so far; what was given before them is whole characters, and does not stop."""
        tail = tokens if self._tail is None else tokens[-self._tail :]
        text = self._codec.decode([np.array(tail, dtype=np.int32)])[0]
        return any(stop in text for stop in self._stops)


def _cut(text: str, stops: Sequence[str], begun: int) -> str:
    """The text up to the first stop string after its given beginning."""
    places = [place for stop in stops if (place := text.find(stop, begun)) >= 0]
    return text[: min(places)] if places else text


class _StopHolder:
    """Passes text on, holding back what may turn out to be the beginning of a stop string."""

    def __init__(self, stops: Sequence[str], begun: int) -> None:
        self._stops = stops
        self._held = ""
        self._skip = begun
        self.stopped = False

    def feed(self, text: str) -> Iterator[str]:
        if self._skip:
            given, text = text[: self._skip], text[self._skip :]
            self._skip -= len(given)
            yield given
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            safe = min(places)
        else:
            safe = len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0)
        if safe:
            yield self._held[:safe]
        self._held = self._held[safe:]

    def finish(self) -> Iterator[str]:
        if self._held and not self.stopped:
            yield self._held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text that begins the stop string."""
    return max((n for n in range(1, min(len(text), len(stop)) + 1) if text.endswith(stop[:n])), default=0)
