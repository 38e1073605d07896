"""What a model makes while it is trained: the same call as ``weft generate``, for a few prompts of held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.interfaces.codec import Codec
from weft.training.data import Ids, TokenSource

BEGINNING = 12
"""Tokens of a text that are given, to be continued."""
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
    # A run that answers prompts takes every text that it is given for one.
    given = given or [ids for source in sources if source.is_stream for ids in _beginnings(source)]
    short = [ids for ids in given if len(ids) <= LONGEST_PROMPT]
    texts = text_codec.decode([np.asarray(ids, np.int32) for ids in short or given])
    different: list[str | None] = list(dict.fromkeys(text for each in texts if (text := _whole_characters(each))))
    return different or [None]


def _conditions(source: TokenSource) -> list[Ids]:
    return [ids for part in _held_out(source) if (ids := source.prompts[int(part)]) is not None]


def _beginnings(source: TokenSource) -> list[Ids]:
    parts = _held_out(source)
    return [source.payloads[int(part)][:BEGINNING] for part in parts[:: max(1, len(parts) // 64)]]


def _held_out(source: TokenSource) -> npt.NDArray[np.int64]:
    """Parts that were held out; all where none was."""
    parts = np.flatnonzero(source.held_out)
    return parts if len(parts) else np.arange(len(source.payloads))


def _whole_characters(text: str) -> str:
    """Without the part of a character that a cut may have left."""
    return text.rstrip("\ufffd").strip()


def _spread(prompts: Sequence[str | None], count: int) -> list[str | None]:
    """Evenly spaced ones; where there are fewer they come again, with other seeds."""
    if len(prompts) <= count:
        return [prompts[i % len(prompts)] for i in range(count)]
    places: npt.NDArray[np.int64] = np.linspace(0, len(prompts) - 1, count).round().astype(np.int64)
    return [prompts[int(place)] for place in places]
