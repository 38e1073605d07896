"""What a run can be asked for: what it makes, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from weft.errors import GenerationError
from weft.storage.run import Direction, RunManifest

TEXT = "text"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a run learned.

    Attributes:
        modalities: What it makes of nothing at all, and of a text that is continued.
        directions: What it makes of a condition.
    """

    modalities: Sequence[str]
    directions: Sequence[Direction]

    @classmethod
    def of(cls, manifest: RunManifest) -> Self:
        return cls(manifest.modalities, manifest.known_directions)

    @property
    def conditions(self) -> list[str]:
        """Modalities besides text of which something can be made."""
        return list(dict.fromkeys(each.condition for each in self.directions if each.condition != TEXT))

    def direction(self, condition: str, target: str) -> Direction | None:
        """What was learned from the one to the other, if anything was."""
        return next((each for each in self.directions if (each.condition, each.target) == (condition, target)), None)

    def target(self, wanted: str | None) -> str:
        """The modality to make of a prompt of words, or of none.

        Raises:
            GenerationError: The run cannot make it, or can make several and none was named.
        """
        if wanted is None and len(self.modalities) == 1:
            return self.modalities[0]
        if wanted in self.modalities:
            return str(wanted)
        known = ", ".join(self.modalities)
        if wanted is None:
            raise GenerationError(f"say what to make with --to; it was trained on {known}")
        sources = [each.condition for each in self.directions if each.target == wanted and each.condition != TEXT]
        if sources:
            raise GenerationError(
                f"this run makes {wanted} only of {' or '.join(sources)}; give a file of that kind with --prompt-file"
            )
        raise GenerationError(f"this run cannot make {wanted!r}; it was trained on {known}")

    def target_of(self, condition: str, wanted: str | None) -> str:
        """The modality to make of a payload of another.

        Raises:
            GenerationError: The run did not learn that, or learned several and none was named.
        """
        targets = [each.target for each in self.directions if each.condition == condition]
        if wanted is None and len(targets) == 1:
            return targets[0]
        if wanted in targets:
            return str(wanted)
        if wanted is None and targets:
            raise GenerationError(f"say what to make of {condition} with --to; it can be {' or '.join(targets)}")
        learned = ", ".join(f"{each.condition} to {each.target}" for each in self.directions) or "no direction at all"
        advice = (
            f"train on captioned {condition} together with another modality, or with --reverse 0.5"
            if wanted in (None, TEXT) and condition != TEXT
            else "ask for one of these"
        )
        raise GenerationError(
            f"this run did not learn to make {wanted or 'anything'} of {condition} (it learned {learned}); {advice}"
        )
