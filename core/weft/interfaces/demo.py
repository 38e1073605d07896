"""What a modality brings to ``weft demo``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """One thing the demo asks the trained model for.

    Attributes:
        prompt: As typed on the command line; ``None`` for none.
        n: How many artifacts.
        sampling: Options of ``Run.generate`` by name (``{"temperature": 0.6}``).
    """

    prompt: str | None = None
    n: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)


class Demo(ABC):
    """Raw data made on the spot, and what to do with it. Nothing is downloaded; equal seeds give equal files.

    Attributes:
        title: Heading on the page.
        about: One or two sentences on what the data is and what the model learns.
        minutes: Training time that shows the point on two CPU cores.
        options: Preparation options by full name (``{"image.size": 32}``).
    """

    title: str
    about: str
    minutes: float = 2.0
    options: Mapping[str, Any] = {}

    @abstractmethod
    def write_source(self, folder: Path, seed: int) -> None:
        """Write raw files into an existing, empty folder, as a user's own folder would hold them; include a few bad
        ones, so that the page can show what is rejected."""

    @abstractmethod
    def requests(self) -> Sequence[DemoRequest]:
        """What to generate, in the order of the page."""
