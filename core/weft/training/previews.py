"""What a model makes while it is trained: the same call as ``weft generate``, for a few prompts of held-out samples."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from weft.errors import WeftError
from weft.interfaces.callback import Callback, Figures, Training
from weft.interfaces.codec import Codec
from weft.interfaces.generator import Artifact
from weft.interfaces.progress import Reporter
from weft.models.device import is_out_of_memory
from weft.pages.previews import write_previews
from weft.training.data import Ids, TokenSource
from weft.training.loop import Loop
from weft.training.parallel import whole
from weft.training.randomness import forked

WORDS = 8
"""Words of a text that are given, to be continued."""
EXCERPT = 64
"""Tokens in which a line of a text begins."""
PLACES = 16
"""Places of the held-out text that prompts are taken from, at least."""
LONGEST_PROMPT = 48
"""Tokens of a prompt; longer ones are not shown unless all are."""
TEXT_TOKENS = 64
"""Length of a text: enough to judge it by, and cheap."""


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """One preview, which is made anew each time.

    Attributes:
        modality: What to make.
        prompt: As a person would type it; ``None`` for none.
        seed: Of its random numbers.
        max_tokens: Its greatest length; ``None`` leaves it to the modality.
    """

    modality: str
    prompt: str | None
    seed: int
    max_tokens: int | None = None


def choose_requests(
    sources: Sequence[TokenSource], text_codec: Codec[str] | None, count: int, seed: int
) -> list[PreviewRequest]:
    """So many previews of each modality: of the prompts of held-out samples, evenly spread over those that differ; of
    the beginnings of held-out texts; of no prompt where there are none. Held-out samples, since a model may know what
    follows in others by heart.

    Args:
        sources: Of the run.
        text_codec: Of its prompts and texts.
        count: Previews of each modality; 0 for none.
        seed: Of the run; previews of a modality have this one and those that follow.
    """
    requests: list[PreviewRequest] = []
    for modality in dict.fromkeys(source.modality for source in sources):
        mine = [source for source in sources if source.modality == modality]
        prompts = _spread(_prompts(mine, text_codec), count)
        longest = TEXT_TOKENS if modality == "text" else None
        requests += [PreviewRequest(modality, each, seed + i, longest) for i, each in enumerate(prompts)]
    return requests


def _prompts(sources: Sequence[TokenSource], text_codec: Codec[str] | None) -> list[str | None]:
    """Different prompts of the corpora of one modality, in their order."""
    if text_codec is None:
        return [None]
    given = [ids for source in sources for ids in _conditions(source)]
    if given:  # a run that answers prompts takes every text that it is given for one
        short = [ids for ids in given if len(ids) <= LONGEST_PROMPT]
        texts = _decoded(text_codec, short or given)
    else:
        excerpts = [ids for source in sources if source.is_stream for ids in _excerpts(source)]
        texts = [_beginning(text) for text in _decoded(text_codec, excerpts)]
    different: list[str | None] = list(dict.fromkeys(text for text in texts if text))
    return different or [None]


def _decoded(codec: Codec[str], given: Sequence[Ids]) -> list[str]:
    return codec.decode([np.asarray(ids, np.int32) for ids in given])


def _conditions(source: TokenSource) -> list[Ids]:
    return [ids for part in _held_out(source) if (ids := source.prompts[int(part)]) is not None]


def _excerpts(source: TokenSource) -> list[Ids]:
    """The first tokens of texts; where these are few, excerpts from the middle of them too."""
    parts = _held_out(source)
    parts = parts[:: max(1, len(parts) // (4 * PLACES))]
    count = -(-PLACES // max(1, len(parts)))
    places = [number / count for number in range(count)]
    texts = [source.payloads[int(part)] for part in parts]
    return [ids[(start := int(place * len(ids))) : start + EXCERPT] for ids in texts for place in places]


def _beginning(text: str) -> str:
    """A few whole words, from the beginning of a line where one begins."""
    _, broken, line = text.partition("\n")
    words = re.match(rf"\s*((?:\S+\s+){{0,{WORDS - 1}}}\S+)\s", line if broken and line.strip() else text)
    return words[1] if words else text.strip("\ufffd").strip()


def _held_out(source: TokenSource) -> npt.NDArray[np.int64]:
    """Parts that were held out; all where none was."""
    parts = np.flatnonzero(source.held_out)
    return parts if len(parts) else np.arange(len(source.payloads))


def _spread(prompts: Sequence[str | None], count: int) -> list[str | None]:
    """Evenly spaced ones; where there are fewer they come again, with other seeds."""
    if len(prompts) <= count:
        return [prompts[i % len(prompts)] for i in range(count)]
    places: npt.NDArray[np.int64] = np.linspace(0, len(prompts) - 1, count).round().astype(np.int64)
    return [prompts[int(place)] for place in places]


Weights: TypeAlias = "Mapping[str, Tensor]"
"""Whole tensors on the CPU, by the names of the model."""

Draw = Callable[[Weights, Sequence[PreviewRequest]], list[Artifact[Any]]]
"""Generation as ``weft generate`` does it, with these weights instead of a checkpoint's. Handed in: training knows
nothing of it."""

LARGEST_SHARE = 0.02
"""Of the time of a training; previews at evaluations that would take more are left out, all but the first and last."""


class MakePreviews(Callback):
    """Makes previews when held-out data were judged, with the same weights, and leaves every random state as it was.

    Comes before the callback that saves: a process that is killed between the two makes them again.

    Args:
        loop: Whose weights are used.
        folder: Where previews go.
        requests: What to make.
        draw: How; called in the main process alone.
        title: Heading of the page.
        show: Told of the step and what was made.
        reporter: Told of what cannot be made.
        now: Seconds.
    """

    everywhere: ClassVar[bool] = True
    """Weights that are spread over processes are put together by all of them."""

    def __init__(
        self,
        *,
        loop: Loop,
        folder: Path,
        requests: Sequence[PreviewRequest],
        draw: Draw,
        title: str,
        show: Callable[[int, Sequence[Artifact[Any]]], None],
        reporter: Reporter,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._requests = requests
        self._draw = draw
        self._title = title
        self._show = show
        self._reporter = reporter
        self._now = now
        self._began = now()
        self._spent = self._latest = 0.0
        self._failed = False

    def begin(self, training: Training) -> None:
        self._began = self._now()

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        if not self._requests or not self._due(training):
            return
        began = self._now()
        with self._loop.averaged():
            weights = {name: whole(tensor) for name, tensor in self._loop.model.state_dict().items()}
        if self._loop.world.is_main:
            self._make(training.step, weights, figures)
        self._latest = self._now() - began
        self._spent += self._latest

    def _due(self, training: Training) -> bool:
        """Decided by the clock of the main process; what is learned does not depend on it."""
        affordable = self._spent + self._latest <= LARGEST_SHARE * (self._now() - self._began)
        wanted = not self._failed and (affordable or training.step == training.steps)
        return bool(self._loop.world.first(float(wanted)))

    def _make(self, step: int, weights: Weights, figures: Figures) -> None:
        try:
            with forked(self._loop.device):
                artifacts = self._draw(weights, self._requests)
            write_previews(self._folder, step, artifacts, figures, self._title)
        except (WeftError, RuntimeError, MemoryError) as error:
            if not isinstance(error, WeftError) and not is_out_of_memory(error):
                raise
            self._failed = True
            self._reporter.warn(f"no previews are made any more: {error}")
            return
        self._show(step, artifacts)
