"""Numbers as people read them."""

from __future__ import annotations


def count(number: int, unit: str = "") -> str:
    """``12,345 files``, ``1 file``."""
    text = f"{number:,}"
    return text if not unit else f"{text} {plural(unit, number)}"


def plural(unit: str, number: int) -> str:
    """The unit in the number that fits the count."""
    return unit if number == 1 or unit.endswith("s") else f"{unit}s"


def rounded(number: float, digits: int = 3) -> str:
    """``2.51``, ``1,234``: so many digits, and of what is larger all before the point."""
    shown = f"{number:.{digits}g}"
    return f"{number:,.0f}" if abs(float(shown)) >= 10**digits else shown


def about(number: float, unit: str) -> str:
    """``2.51 epochs``, ``1 epoch``: three digits."""
    shown = rounded(number)
    return f"{shown} {unit if shown == '1' else unit + 's'}"


def duration(seconds: float) -> str:
    """``12.3 ms``, ``4.2 s``, ``3 min 05 s``, ``2 h 07 min`` or ``3 days 04 h``."""
    if seconds < 1:
        return f"{rounded(1000 * seconds)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {rest:02d} min"
    days, rest = divmod(round(seconds / 3600), 24)
    return f"{days} days {rest:02d} h"


def size(number: int) -> str:
    """Bytes: ``832 B``, ``12.3 kB``, ``1.2 MB``."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:.1f} kB" if number < 1e6 else f"{number / 1e6:.1f} MB"


def figure(value: float) -> str:
    """A measured number: four digits, and whole ones as they are."""
    return count(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def share(part: int, whole: int) -> str:
    """``12.3 %``; what is more than nothing never reads as none of it, nor what is less than all as all."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.3g} %"
