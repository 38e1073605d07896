"""Instruments made with NumPy: a note is a sum of partials that come and go, or a modulated sine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be played.

    Attributes:
        frequency: Of the fundamental, in Hz.
        seconds: Duration.
        rate: Samples a second.
        random: For what differs from one note to the next.
    """

    frequency: float
    seconds: float
    rate: int
    random: np.random.Generator

    @property
    def time(self) -> Signal:
        """Seconds since the beginning, of each sample."""
        return np.arange(round(self.seconds * self.rate)) / self.rate

    def shape(self, attack: float, release: float) -> Signal:
        """Loudness of each sample: up within ``attack`` seconds, down in the last ``release``."""
        time = self.time
        loudness: Signal = np.clip(np.minimum(time / attack, (time[-1] - time) / release), 0, 1)
        return loudness

    def partials(self, strengths: Iterable[tuple[int, Signal | float]], bend: Signal | float = 0.0) -> Signal:
        """Sines of multiples of the frequency, those left out that the rate cannot hold.

        Args:
            strengths: Multiple and amplitude.
            bend: Seconds that the clock of the vibration is ahead.
        """
        angle = 2 * np.pi * self.frequency * (self.time + bend)
        total = np.zeros_like(angle)
        for number, strength in strengths:
            phase = self.random.uniform(0, 2 * np.pi)
            if number * self.frequency < 0.45 * self.rate:
                total += strength * np.sin(number * angle + phase)
        return total


def bell(note: Note) -> Signal:
    """Frequency modulation whose ratio is no whole number (Chowning 1973): partials that no string has."""
    time = note.time
    angle = 2 * np.pi * note.frequency * time
    tone = np.sin(angle + 1.5 * np.exp(-6 * time) * np.sin(3.53 * angle))
    return tone * np.exp(-2.5 * time) * note.shape(attack=0.003, release=0.02)


def clarinet(note: Note) -> Signal:
    """Odd partials only, as a pipe that is closed at one end has them."""
    return note.partials((n, n**-0.7) for n in (1, 3, 5, 7, 9)) * note.shape(attack=0.03, release=0.06)


def flute(note: Note) -> Signal:
    """Nearly a sine, with vibrato, a soft attack and some breath."""
    vibrato = 2e-4 * np.sin(2 * np.pi * 5 * note.time + note.random.uniform(0, 2 * np.pi))
    breath = np.convolve(note.random.standard_normal(len(note.time)), np.ones(3) / 3, "same")
    tone = note.partials([(1, 1.0), (2, 0.2), (3, 0.05)], vibrato)
    return (tone + 0.04 * breath) * note.shape(attack=0.08, release=0.12)


def guitar(note: Note) -> Signal:
    """A plucked string, whose partials die away the sooner the higher they are."""
    time = note.time
    return note.partials((n, n**-0.6 * np.exp(-(3 + 0.8 * n * n) * time)) for n in range(1, 13)) * note.shape(
        0.002, 0.03
    )


def trumpet(note: Note) -> Signal:
    """All partials, strong ones, the high ones coming in after the low ones."""
    opening = np.minimum(1.0, note.time / 0.08)
    return note.partials((n, 0.9**n * opening**n) for n in range(1, 13)) * note.shape(attack=0.02, release=0.05)


INSTRUMENTS: dict[str, Callable[[Note], Signal]] = {
    "bell": bell,
    "clarinet": clarinet,
    "flute": flute,
    "guitar": guitar,
    "trumpet": trumpet,
}
