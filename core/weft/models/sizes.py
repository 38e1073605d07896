"""The dial: from a number of parameters to a shape, a learning rate, a batch, a context and a number of tokens.

One rule gives the named sizes and every number between them; ``docs/training.md`` says why it is as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from weft.errors import OptionError
from weft.models.config import ModelConfig

SMALLEST, LARGEST = 100_000, 20_000_000_000
"""Parameters that the dial goes from and to."""

TOKENS_PER_PARAMETER = 20
"""With which a loss costs least (Hoffmann et al. 2022, arXiv:2203.15556)."""

_ANCHOR = 870_000
"""Parameters at which every power below has the value that stands before it: those of nano."""
_FEWEST_KV_HEADS = 8
"""With fewer, quality suffers (Ainslie et al. 2023, arXiv:2305.13245)."""


@dataclass(frozen=True, slots=True)
class Size:
    """One position of the dial.

    Attributes:
        layers: Blocks.
        width: Of the residual stream.
        heads: Query heads.
        kv_heads: Key and value heads; divides ``heads``.
        head_size: Of each head.
        hidden: Size inside the feed-forward part.
        learning_rate: Peak of Muon; AdamW's follows from it.
        tokens_per_step: Size of a batch.
        text_context: Window of long text, where nothing else asks for a longer one.
        training_tokens: How many the model had better see.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    hidden: int
    learning_rate: float
    tokens_per_step: int
    text_context: int
    training_tokens: int

    def config(self, vocab_size: int, context_length: int, dropout: float = 0.0) -> ModelConfig:
        """The shape of a model at this position."""
        return ModelConfig(
            vocab_size=vocab_size,
            context_length=context_length,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_size=self.head_size,
            hidden=self.hidden,
            dropout=dropout,
        )

    def parameters(self, vocab_size: int) -> int:
        """Learned numbers of a model of this shape; the tied embedding counts once."""
        block = _block(self.width, self.heads, self.kv_heads, self.head_size) + 3 * self.width * self.hidden
        return (vocab_size + 1) * self.width + self.layers * block


def usual_vocabulary(parameters: float) -> int:
    """The vocabulary with which parameters are counted: a power of two from 256 to 32,768.

    It grows with the 0.85th power of the parameters (Tao et al. 2024, arXiv:2407.13623, found 0.83): 512 at nano, 4,096
    at 10 million, 32,768 from 100 million on.
    """
    return min(32_768, max(256, _power_of_two(512 * (parameters / _ANCHOR) ** 0.85)))


@lru_cache(maxsize=256)
def size_of(parameters: float) -> Size:
    """The dial at a number of parameters, the embedding of :func:`usual_vocabulary` included.

    Raises:
        OptionError: Too few or too many.
    """
    if not SMALLEST <= parameters <= LARGEST:
        raise OptionError(
            f"the dial goes from {show_parameters(SMALLEST)} to {show_parameters(LARGEST)} parameters; "
            f"{show_parameters(parameters)} is beyond it"
        )
    grown = parameters / _ANCHOR
    layers, width, hidden = min(_shapes(parameters), key=_strain)
    head_size = _head_size(width)
    return Size(
        layers=layers,
        width=width,
        heads=width // head_size,
        kv_heads=_kv_heads(width // head_size),
        head_size=head_size,
        hidden=hidden,
        learning_rate=float(f"{0.02 * grown**-0.125:.2g}"),
        tokens_per_step=_power_of_two(1_024 * grown**0.85),
        text_context=max(64, _power_of_two(128 * grown**0.4)),
        training_tokens=round(TOKENS_PER_PARAMETER * parameters),
    )


def pick_size(dial: str) -> Size:
    """The dial at a name, or at a number of parameters: ``small``, ``5M``, ``1.3B``, ``60000000``.

    Raises:
        OptionError: Neither, or beyond the dial.
    """
    if dial in SIZES:
        return SIZES[dial]
    written = re.fullmatch(r"(\d+(?:[._,]\d+)*)\s*([kmb]?)", dial.strip(), re.IGNORECASE)
    if written is None:
        names = ", ".join(SIZES)
        raise OptionError(f"size {dial!r} is unknown; choose one of {names}, or a number of parameters such as 5M")
    try:
        number = float(written[1].replace("_", "").replace(",", ""))
    except ValueError:
        raise OptionError(f"size {dial!r} is no number of parameters; write it as 5M, 1.3B or 60000000") from None
    return size_of(number * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[written[2].lower()])


def show_parameters(parameters: float) -> str:
    """``870k``, ``124M``, ``1.3B``."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g}{name}"
    return f"{parameters:g}"


def _shapes(parameters: float) -> Iterator[tuple[int, int, int]]:
    """``(layers, width, hidden)`` of all shapes with about so many parameters; ``hidden`` makes up the number."""
    vocab_size = usual_vocabulary(parameters)
    for width in range(32, 1 << 14, 32):
        head_size = _head_size(width)
        heads = width // head_size
        if width % head_size or heads % 2 > (heads < 9) or (vocab_size + 1) * width > parameters:
            continue
        unit = 16 if width < 512 else 32 if width < 1024 else 64
        wanted = _depth(width)
        for layers in range(max(1, math.floor(wanted * 0.6)), math.ceil(wanted * 1.6) + 1):
            block = _block(width, heads, _kv_heads(heads), head_size)
            left = parameters - (vocab_size + 1) * width - layers * block
            hidden = round(left / (3 * width * layers) / unit) * unit
            if hidden > 0:
                yield layers, width, hidden


def _strain(shape: tuple[int, int, int]) -> float:
    """How far a shape is from the rule: a depth of :func:`_depth`, and 8/3 of the width in the feed-forward part, which
    has three matrices where others have two (SwiGLU, arXiv:2002.05202)."""
    layers, width, hidden = shape
    return math.log(layers / _depth(width)) ** 2 + math.log(hidden / (width * 8 / 3)) ** 2


def _depth(width: int) -> float:
    """4 layers at a width of 128, 13 at 768, 25 at 2,048."""
    return 4 * float((width / 128) ** (2 / 3))


def _head_size(width: int) -> int:
    return 16 if width < 64 else 32 if width < 320 else 64 if width < 1280 else 128


def _kv_heads(heads: int) -> int:
    """The fewest that divide the heads and are enough; all where there are few."""
    return next(count for count in range(min(heads, _FEWEST_KV_HEADS), heads + 1) if heads % count == 0)


def _block(width: int, heads: int, kv_heads: int, head_size: int) -> int:
    """Parameters of a block but for its feed-forward part: projections and gains."""
    return 2 * (heads + kv_heads) * head_size * width + 2 * width + 2 * head_size


def _power_of_two(value: float) -> int:
    return 1 << max(0, round(math.log2(value)))


SIZES = {
    name: size_of(parameters)
    for name, parameters in {
        "nano": _ANCHOR,
        "micro": 10e6,
        "mini": 30e6,
        "small": 124e6,
        "base": 350e6,
        "large": 1.5e9,
    }.items()
}
"""Positions of the dial that have a name."""
