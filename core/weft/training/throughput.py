"""How fast a training goes, and what share of the machine's arithmetic it uses."""

from __future__ import annotations

import functools
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from weft.models.transformer import Transformer, parameter_count

Kind = Literal["float32", "bfloat16"]

TERA = 1e12

DATASHEETS: tuple[tuple[str, float, float], ...] = (
    (r"B200", 2250.0, 75.0),
    (r"H200 NVL", 835.5, 60.0),
    (r"(H200|GH200)", 989.4, 67.0),
    (r"H100 NVL", 835.5, 60.0),
    (r"H100 PCIe", 756.0, 51.0),
    (r"H100", 989.4, 67.0),
    (r"A100", 312.0, 19.5),
    (r"A30", 165.0, 10.3),
    (r"A40", 149.7, 37.4),
    (r"A10", 125.0, 31.2),
    (r"L40S", 362.1, 91.6),
    (r"L40", 181.1, 90.5),
    (r"L4", 121.0, 30.3),
    (r"RTX A6000", 154.8, 38.7),
    (r"RTX 6000 Ada Generation", 364.2, 91.1),
    (r"RTX 5090", 209.5, 104.8),
    (r"RTX 4090", 165.2, 82.6),
    (r"RTX 4080", 97.5, 48.7),
    (r"RTX 3090", 71.0, 35.6),
)
"""What a GPU's name contains, and its peak in TFLOP/s by NVIDIA's datasheets and architecture whitepapers: bfloat16 on
tensor cores without sparsity (and with sums in float32, where the two differ), and float32 without TF32, which torch
uses only when told to. More special names come first. The full chip at its boost clock: a card with a lower power limit
cannot reach it."""

MATMUL_SIZE = {"cpu": 512}
"""Rows and columns that keep a device busy; 4096 for anything faster than a CPU. A CPU without instructions for
bfloat16 takes a third of a second for 512."""
MATMUL_SECONDS = 0.2
WINDOW_SECONDS = 20.0
"""Speed is that of so much training, pauses left out: long enough to be steady, short enough to show a change."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What a device can do at most.

    Attributes:
        flops: Floating-point operations a second; a multiplication and an addition are two.
        source: ``datasheet`` or ``measured``.
    """

    flops: float
    source: Literal["datasheet", "measured"]


def training_flops_per_token(model: nn.Module, length: float) -> float | None:
    """Floating-point operations that training spends on a token: forward and backward, without recomputation.

    ``6 N + 12 L H Q T``, as in appendix B of PaLM (arXiv:2204.02311): six for each parameter of a matrix, twelve for
    each number of queries and scores. As usual the half of the scores that the causal mask hides is counted. The
    embedding is looked up for free; tied to it, the output projection counts.

    Args:
        model: Whose.
        length: Mean length of a sequence, T.

    Returns:
        ``None`` where it is not core's Transformer, of which alone the formula is true.
    """
    if not isinstance(model, Transformer):
        return None
    config = model.config
    attention = 12 * config.layers * config.heads * config.head_size * length
    return 6 * parameter_count(model) + attention


def peak_of(device: torch.device, autocast: str | None) -> Peak:
    """The peak of one device in the precision of its matrix products: from the datasheet, or else measured once in
    this process by a short product of matrices with the present number of threads.

    Args:
        device: Which.
        autocast: Type of mixed precision; ``None`` is float32.
    """
    kind: Kind = "bfloat16" if autocast == "bfloat16" else "float32"
    listed = datasheet_peak(torch.cuda.get_device_name(device), kind) if device.type == "cuda" else None
    return listed or _measured_peak(str(device), kind, torch.get_num_threads())


def datasheet_peak(name: str, kind: Kind) -> Peak | None:
    """The peak of a GPU by its name (``NVIDIA H100 80GB HBM3``); ``None`` for one that is not listed."""
    for pattern, bfloat16, float32 in DATASHEETS:
        # Whole words: an A10 is no A100, an L4 no L40, an RTX 4090 no RTX 4090 D or laptop chip.
        if re.search(rf"(?<![\w]){pattern}(?![\w])(?! (D|Laptop|SUPER|Ti|Mobile|Max-Q)\b)", name):
            return Peak((bfloat16 if kind == "bfloat16" else float32) * TERA, "datasheet")
    return None


@functools.cache
def _measured_peak(device: str, kind: Kind, threads: int) -> Peak:
    """The fastest of some products of two square matrices. ``threads`` is a part of the key: the peak depends on it."""
    size = MATMUL_SIZE.get(torch.device(device).type, 4096)
    matrix = torch.ones((size, size), dtype=getattr(torch, kind), device=device)
    product = torch.empty_like(matrix)
    fastest, until = float("inf"), time.perf_counter() + MATMUL_SECONDS
    with torch.no_grad():
        while time.perf_counter() < until:
            began = time.perf_counter()
            torch.mm(matrix, matrix, out=product)
            product[0, 0].item()  # waits for a device that works on its own
            fastest = min(fastest, time.perf_counter() - began)
    return Peak(2 * size**3 / fastest, "measured")


class Speed:
    """Tokens a second over the last while, of the time that steps take: evaluations and checkpoints are left out.

    Args:
        model: That is trained.
        rows: Sequences a step, over all processes.
        peak: Of one device; ``None`` where nobody wants to know.
        devices: That compute together.
        window: Seconds of training that are looked back on.
        now: Seconds.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: int,
        peak: Peak | None,
        devices: int = 1,
        *,
        window: float = WINDOW_SECONDS,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._rows = rows
        self._peak = peak
        self._devices = devices
        self._window = window
        self._now = now
        self._steps: deque[tuple[float, float]] = deque()
        self._tokens = self._seconds = 0.0
        self._began = now()

    def begin_step(self) -> None:
        """A step begins now; what came before was no training."""
        self._began = self._now()

    def end_step(self, tokens: float) -> None:
        """It ends now, and took in so many tokens."""
        self._add(tokens, self._now() - self._began)
        while len(self._steps) > 1 and self._seconds - self._steps[0][1] >= self._window:
            tokens, seconds = self._steps.popleft()
            self._tokens -= tokens
            self._seconds -= seconds

    def _add(self, tokens: float, seconds: float) -> None:
        self._steps.append((tokens, seconds))
        self._tokens += tokens
        self._seconds += seconds

    @property
    def tokens_per_second(self) -> float:
        """Of all processes together; 0 before the first step."""
        return self._tokens / self._seconds if self._seconds > 0 else 0.0

    @property
    def share_of_peak(self) -> float | None:
        """Model FLOPs utilization (arXiv:2204.02311): the share of the peak of all devices that the model's own
        arithmetic takes; ``None`` where the model's or the peak is not known."""
        if self._peak is None or not self._steps:
            return None
        each = training_flops_per_token(self._model, self._tokens / (len(self._steps) * self._rows))
        if each is None:
            return None
        rate = self.tokens_per_second * each
        best = self._peak.flops * self._devices
        # What was reached can be reached: a measurement beside other programs may have found too little.
        return rate / (max(best, rate) if self._peak.source == "measured" else best)

    def figures(self) -> dict[str, float]:
        """What is logged of it."""
        share = self.share_of_peak
        found = {"tokens_per_second": self.tokens_per_second}
        return found if share is None else {**found, "share_of_peak": share}

    def text(self) -> str:
        """``81.4k tokens/s, 43 % of peak``"""
        share = self.share_of_peak
        shown = f"{shortened(self.tokens_per_second)} tokens/s"
        return shown if share is None else f"{shown}, {100 * share:.0f} % of peak"


def shortened(number: float) -> str:
    """Three digits: ``814``, ``81.4k``, ``8.14M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"
