"""What learned codecs share: configuration and weights on disk, and inference in fixed batches."""

from __future__ import annotations

import dataclasses
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from weft.errors import FolderError
from weft.interfaces.codec import Codec
from weft.interfaces.samples import P

ConfigT = TypeVar("ConfigT")
T = TypeVar("T")


class LearnedCodec(Codec[P], Generic[P, ConfigT]):
    """A codec whose knowledge is a small dataclass and a neural network.

    A subclass sets :attr:`config_type`, implements :meth:`build_model` and the four methods of the codec proper.

    Args:
        config: Everything needed to build the network; JSON-able fields only.
        model: The learned network; a freshly initialized one without it.
    """

    config_type: ClassVar[type]
    batch_size: ClassVar[int] = 64
    """Payloads that pass through the network at once; fixed, so that results do not depend on the caller."""

    def __init__(self, config: ConfigT, model: nn.Module | None = None) -> None:
        self.config = config
        self.model = (self.build_model(config) if model is None else model).eval().requires_grad_(False)

    @classmethod
    @abstractmethod
    def build_model(cls, config: ConfigT) -> nn.Module:
        """The untrained network."""

    def to(self, device: torch.device | str) -> Self:
        """Move the network; what goes in and comes out stays on the CPU."""
        self.model.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @classmethod
    def batches(cls, things: Sequence[T]) -> Iterator[Sequence[T]]:
        """Consecutive slices of at most :attr:`batch_size`."""
        for start in range(0, len(things), cls.batch_size):
            yield things[start : start + cls.batch_size]

    def save(self, folder: Path) -> None:
        config: Any = self.config
        text = json.dumps(dataclasses.asdict(config), indent=2, sort_keys=True)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")
        state = {name: tensor.contiguous().cpu() for name, tensor in self.model.state_dict().items()}
        (folder / "model.safetensors").write_bytes(save(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FolderError: A file is missing or damaged, or the weights do not fit the configuration.
        """
        try:
            values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = cls.config_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
            with torch.random.fork_rng(devices=[]):  # the caller's generator is none of loading's business
                model = cls.build_model(config)
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except (OSError, ValueError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            # torch lists every tensor that does not fit, a line each.
            why = str(error).partition("\n")[0].rstrip(": ")
            raise FolderError(f"{folder} does not hold a readable {cls.name} codec ({why}); prepare anew") from error
        return cls(config, model)
