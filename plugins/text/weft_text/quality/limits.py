"""Filters that are numbers with limits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import weft

_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Limit:
    """What one figure may be.

    Attributes:
        figure: Its name.
        code: Of the reason.
        what: The figure in words, as a sentence begins.
        option: The option that sets the limit, without the modality.
        least: Smallest value allowed.
        most: Largest value allowed.
    """

    figure: str
    code: str
    what: str
    option: str
    least: float | None = None
    most: float | None = None

    def broken(self, value: float) -> str | None:
        """A sentence where the value is not allowed."""
        if self.least is not None and value < self.least:
            return f"{self.what}: {value:.4g}, less than text.{self.option} = {self.least:.4g}"
        if self.most is not None and value > self.most:
            return f"{self.what}: {value:.4g}, more than text.{self.option} = {self.most:.4g}"
        return None


class LimitFilter(weft.Filter[str]):
    """Rejects a sample for the first of its figures that is beyond a limit; one that was not measured is within."""

    limits: Sequence[Limit]

    @abstractmethod
    def measure(self, sample: weft.Sample[str]) -> Mapping[str, float]: ...

    def excerpt(self, text: str, limit: Limit) -> str:
        """The part of the text that broke a limit, where there is one to show."""
        return ""

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        for limit in self.limits:
            value = sample.figures.get(limit.figure)
            detail = None if value is None else limit.broken(value)
            if detail is not None:
                return weft.Reason(limit.code, detail, self.excerpt(sample.payload, limit)[:_EXCERPT])
        return None
