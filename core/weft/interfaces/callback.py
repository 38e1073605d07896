"""What happens beside the training loop: each callback does one thing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import nn

Figures = Mapping[str, float]
"""Figures by name: ``loss``, ``text/nats_per_token``, ..."""


class Training(Protocol):
    """A running training, as callbacks see it. It is to be looked at, not changed."""

    @property
    def step(self) -> int:
        """Optimizer steps done."""

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""

    @property
    def folder(self) -> Path | None:
        """The run folder; ``None`` where a codec is learned. Plugins write into ``plugins/NAME/`` of it."""

    @property
    def model(self) -> nn.Module:
        """As it stands, on its device, without what spreads it over processes."""

    @property
    def stopping(self) -> bool:
        """Whether this step is the last of this process, because somebody asked it to stop."""


class Callback:
    """Something that happens beside the loop. Override what you need; callbacks are called in their order.

    With several processes a callback lives in the first of them alone, unless it says otherwise.
    """

    everywhere: ClassVar[bool] = False
    """Whether it is called in every process."""

    def begin(self, training: Training) -> None:
        """Before the first step of this process."""

    def after_step(self, training: Training, figures: Figures) -> None:
        """After a step; ``training.step`` counts it already.

        Args:
            training: The running training.
            figures: ``loss`` (mean over the step), ``learning_rate_share`` (of the peak), ``gradient_norm`` (before
                clipping), ``tokens`` (read by the model in this step), ``skipped`` (steps left out so far), and the
                objective's own.
        """

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        """After the held-out data were judged; ``figures`` are ``loss`` and the objective's own."""

    def after_checkpoint(self, training: Training, folder: Path) -> None:
        """After a checkpoint was written, whole, into ``folder``."""

    def end(self, training: Training) -> None:
        """After the last step of this process, also where an error ended it."""
