"""Stage 3, the part that differs between modalities."""

from __future__ import annotations

import filecmp
import itertools
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, get_args

from weft.interfaces.codec import CodecFacts
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.samples import P
from weft.interfaces.segments import EncodedSegment, SequenceBuilder

if TYPE_CHECKING:
    import torch

Creativity = Literal["precise", "balanced", "creative"]
CREATIVITY: tuple[Creativity, ...] = get_args(Creativity)


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next piece is chosen: the same for every modality. ``None`` means the modality's own default.

    Attributes:
        temperature: Divides the logits: below 1 conservative, above 1 wild, exactly 0 the most likely piece.
        top_k: Keep only the k most likely pieces; 0 keeps all.
        top_p: Keep the fewest pieces whose probabilities add up to p (nucleus sampling, arXiv:1904.09751); 1 keeps all.
        min_p: Drop pieces less likely than this share of the most likely one (arXiv:2407.01082); 0 keeps all.
        repetition_penalty: Divides positive and multiplies negative logits of pieces already drawn (arXiv:1909.05858);
            1 does nothing.
        guidance: Classifier-free guidance scale (arXiv:2207.12598): 1 follows the prompt as learned, above 1
            exaggerates it.
        seed: Artifact i is drawn with ``seed + i``; ``None`` picks one and reports it.
        n: Artifacts for each prompt, drawn in one batch.
        max_tokens: Upper limit of drawn tokens.
        seconds: Length of content that has a duration.
        stop: Text at which generation of text ends (not part of the result).
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    guidance: float | None = None
    seed: int | None = None
    n: int = 1
    max_tokens: int | None = None
    seconds: float | None = None
    stop: tuple[str, ...] = ()


class LogitsProcessor(ABC):
    """One link of the chain that turns the model's scores into the distribution that is drawn from."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: SamplingOptions) -> LogitsProcessor | None:
        """The processor that these options ask for; ``None`` where they ask for none."""

    @abstractmethod
    def __call__(self, logits: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Changed scores, floating point, of the same shape.

        What may not follow stays excluded, whatever is returned; a row in which nothing is left is an error.

        Args:
            logits: Floating point, ``(rows, vocabulary)``; ``-inf`` where an id may not follow.
            drawn: int64, ``(rows, steps)``: ids drawn so far.
        """


class Constraint(ABC):
    """Which ids may follow, for all rows of a batch; advanced by each drawn token."""

    @abstractmethod
    def allowed(self) -> torch.Tensor:
        """Boolean, shape ``(rows, vocabulary)`` or ``(1, vocabulary)`` where all rows agree; on the CPU."""

    @abstractmethod
    def advance(self, tokens: torch.Tensor) -> None:
        """Take note of the ids just drawn, int64 of shape ``(rows,)``, on the CPU."""


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """What the engine needs to draw the artifacts of one prompt.

    Attributes:
        prefix: Ids before the first drawn token.
        unconditional: The same without conditions, for guidance; ``None`` where guidance is impossible.
        max_tokens: Draw at most this many.
        stop_id: Ends a row; not part of the payload.
        constraint: Called with the number of rows, gives a fresh constraint.
        block: ``(offset, size)`` of the target's ids: drawn minus offset is what the codec decodes.
    """

    prefix: Sequence[int]
    unconditional: Sequence[int] | None
    max_tokens: int
    stop_id: int
    constraint: ConstraintFactory
    block: tuple[int, int]


class ConstraintFactory(ABC):
    """Makes the constraint of a batch."""

    @abstractmethod
    def start(self, rows: int) -> Constraint: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, its conditions already encoded by core, and how to sample.

    Attributes:
        modality: What to make.
        segments: The prompt: conditions, or the beginning of a target (text to be continued).
        options: With every default filled in.
    """

    modality: str
    segments: Sequence[EncodedSegment]
    options: SamplingOptions


@dataclass(frozen=True, slots=True)
class GenerationContext:
    """What a run knows that a plan may depend on.

    Attributes:
        facts: Of the target's codec.
        sequences: Core's one way from segments to ids.
        vocab_size: Size of the run's id space.
        context_length: Longest sequence the model attends to.
        lengths: ``(shortest, longest)`` target in tokens that training saw, by modality.
    """

    facts: CodecFacts
    sequences: SequenceBuilder
    vocab_size: int
    context_length: int
    lengths: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the sampler drew for one artifact.

    Attributes:
        tokens: Ids in the codec's own space.
        log_probabilities: Of each, under the model with the constraint but before temperature and truncation.
        seed: Gives this artifact again with ``n=1``.
        finished: Whether it ended by itself rather than at the limit.
    """

    tokens: Sequence[int]
    log_probabilities: Sequence[float]
    seed: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Artifact(Generic[P]):
    """A generated payload with all that made it.

    Attributes:
        payload: The text, image, waveform, ...
        modality: Its registered name.
        prompt: What was asked for, as typed; ``None`` without a prompt.
        drawn: Tokens, log-probabilities and seed.
        settings: Sampling options in force, with every default filled in.
        format: How to save and show the payload.
        prompt_file: Name of the file that was given as the prompt, as the user named it; ``None`` without one.
    """

    payload: P
    modality: str
    prompt: str | None
    drawn: Drawn = field(repr=False)
    settings: SamplingOptions
    format: PayloadFormat[P] = field(repr=False)
    prompt_file: str | None = None

    @property
    def seed(self) -> int:
        return self.drawn.seed

    def save(self, target: str | Path, name: str | None = None) -> Path:
        """Write the payload and return the file's path; the file is whole or not there.

        Args:
            target: A file, if it ends with the format's extension, which is replaced; else a folder, made if need be.
            name: File name in that folder, without extension; by default made of prompt and seed. Where a file of that
                name holds something else, ``-2``, ``-3``, ... is appended: nothing in a folder is overwritten.
        """
        path = Path(target)
        named = path.suffix.lower() == self.format.extension
        if not named:
            path = path / f"{name or self._file_stem()}{self.format.extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Some formats are chosen by the extension, so the temporary name has it too.
        temporary = path.with_name(f".{secrets.token_hex(8)}{self.format.extension}")
        try:
            self.format.save(self.payload, temporary)
            place = path if named else _free_place(path, temporary)
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
        return place

    def _file_stem(self) -> str:
        given = self.prompt or Path(self.prompt_file or "").name or self.modality
        words = "".join(c if c.isalnum() else " " for c in given.lower()).split()
        # The seed stays whole: it is what tells the artifacts of one batch apart.
        return f"{'-'.join(words[:8])[:56] or self.modality}-{self.seed}"


def _free_place(wanted: Path, written: Path) -> Path:
    """The first of ``name``, ``name-2``, ``name-3``, ... that is free or holds what was written already."""
    numbered = (wanted.with_stem(f"{wanted.stem}-{number}") for number in itertools.count(2))
    return next(
        place
        for place in itertools.chain([wanted], numbered)
        if not os.path.lexists(place) or (place.is_file() and filecmp.cmp(place, written, shallow=False))
    )


class Generator(ABC, Generic[P]):
    """Turns a request into a sampling plan and drawn tokens into an artifact.

    Core ships :class:`weft.TokenGenerator`, which serves any codec whose facts say what may stand where; subclass it
    to set defaults.
    """

    defaults: ClassVar[SamplingOptions]
    """What a ``None`` in the request means for this modality; every field but ``seed`` and lengths must be set."""

    creativity: ClassVar[Mapping[Creativity, Mapping[str, Any]]]
    """What precise, balanced and creative change of those defaults."""

    @abstractmethod
    def plan(self, request: Request, context: GenerationContext) -> SamplingPlan:
        """Raises :class:`weft.GenerationError` for a request that cannot be answered."""
