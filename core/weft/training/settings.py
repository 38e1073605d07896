"""What is decided before step 0, written down first and used again on resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from weft.storage.schema import read_fields
from weft.training.loop import LoopSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings(LoopSettings):
    """The decisions, as ``run.json`` keeps them; a field that older runs lack has the value that they were made with.

    Attributes:
        size: Position of the dial.
        minutes: The budget that the steps were derived from, if they were.
        epochs: How often the corpora are seen, if the steps were derived from that.
        mix: Share of target tokens by modality; ``None`` sees every row equally often.
        reverse: Share of captioned documents that are learned from payload to caption.
        dropout: Share of activations zeroed in training.
        loss_on: What is learned of a document.
        threads: CPU threads of torch in each process.
        device: Name of the device.
        compile: Whether the model is compiled.
        checkpoint_activations: Whether activations are computed twice.
        checkpoint_minutes: Between checkpoints; ``None`` where the pause decides.
        keep: So many of the last checkpoints stay whole.
        keep_every: The weights of steps that are multiples of this stay.
        previews: So many of each modality are made at evaluations.
        tensorboard: Whether events for TensorBoard are written.
    """

    size: str
    minutes: float | None
    epochs: float | None = None
    mix: dict[str, float] | None = None
    reverse: float = 0.0
    dropout: float
    loss_on: Literal["target", "all"] = "target"
    threads: int
    device: str
    compile: bool = False
    checkpoint_activations: bool = False
    checkpoint_minutes: float | None = None
    keep: int = 1
    keep_every: int | None = None
    previews: int = 0
    tensorboard: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises :class:`weft.FolderError` for values that are none."""
        return read_fields(cls, values, "the run's table of settings")

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
