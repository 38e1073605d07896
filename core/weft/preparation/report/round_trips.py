"""What the codec makes of samples: held-out originals beside what their tokens decode to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.interfaces.codec import Codec
from weft.preparation.report.shown import MOST_BYTES, Card, Payloads, sample_name
from weft.storage.tokens import TokenLayer

PAIRS = 3
TEXT_TOKENS = 90
"""Tokens of a text that are shown."""
MOST_TOKENS = 1 << 15
"""A payload of more tokens is not decoded for the page."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one token, or of several that together make whole characters."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One sample.

    Attributes:
        name: Of the sample.
        tokens: How many it has.
        cards: The original and the reconstruction; of text, whose codec gives back every character, none.
        pieces: Of text, its beginning cut into tokens.
        exact: Whether the reconstruction equals the original.
    """

    name: str
    tokens: int
    cards: Sequence[Card] = ()
    pieces: Sequence[Piece] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """A few of them.

    Attributes:
        held_out: Whether the codec has not seen these samples.
        each: The samples.
    """

    held_out: bool
    each: Sequence[RoundTrip]


def round_trips(payloads: Payloads, codec: Codec[Any], layer: TokenLayer) -> RoundTrips:
    """Decode the tokens of a few samples of the validation part, or of the training part where nothing is held out."""
    splits = np.asarray(payloads.parts.column("split").to_pylist(), dtype=np.str_)
    lengths = layer.lengths
    fitting = (lengths > 0) & (lengths <= MOST_TOKENS)
    rows = np.flatnonzero((splits == "validation") & fitting)
    held_out = bool(len(rows))
    if not held_out:
        rows = np.flatnonzero(fitting)
    chosen = rows[np.linspace(0, len(rows) - 1, min(PAIRS, len(rows)), dtype=np.int64)] if len(rows) else rows
    several = (_round_trip(row, payloads, codec, layer) for row in chosen.tolist())
    return RoundTrips(held_out, [each for each in several if each is not None])


def _round_trip(row: int, payloads: Payloads, codec: Codec[Any], layer: TokenLayer) -> RoundTrip | None:
    key, data, caption = payloads.kept(row)
    if len(data) > MOST_BYTES:
        return None
    original = payloads.decode(data)
    ids = layer[row]
    if isinstance(original, str):
        pieces = token_pieces(codec, ids[:TEXT_TOKENS].tolist())
        exact = codec.decode([ids])[0] == original
        return RoundTrip(sample_name(key), len(ids), pieces=pieces, exact=exact)
    cards = [
        payloads.card_of(key, original, what="Original", caption=caption, role="original"),
        payloads.card_of(key, codec.decode([ids])[0], what="From its tokens", caption=caption, role="from its tokens"),
    ]
    return RoundTrip(sample_name(key), len(ids), cards)


def token_pieces(codec: Codec[str], ids: Sequence[int]) -> list[Piece]:
    """Text of each token; where one is a part of a character, of as many as make it whole."""
    pieces: list[Piece] = []
    waiting: list[int] = []
    for token in ids:
        waiting.append(token)
        text = codec.decode([np.asarray(waiting, np.int32)])[0]
        # A character has at most four bytes: what is not whole after so many tokens is broken in the text itself.
        if "\ufffd" not in text or len(waiting) >= 4:
            pieces.append(Piece(text, len(waiting)))
            waiting = []
    return pieces
