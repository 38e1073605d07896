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
