"""Which plugins are installed, from the metadata of distributions alone: no plugin is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from weft.plugins.hookspecs import PROJECT


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """An entry point of group ``weft``.

    Attributes:
        name: Of the entry point.
        distribution: Name of the distribution that declares it.
        version: Of that distribution.
        entry_point: Loads the entry module.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


def installed_plugins() -> list[InstalledPlugin]:
    """All installed plugins, sorted by distribution and name."""
    found = [_describe(entry_point) for entry_point in entry_points(group=PROJECT)]
    return sorted(found, key=lambda plugin: (plugin.distribution, plugin.name))


def _describe(entry_point: EntryPoint) -> InstalledPlugin:
    distribution = entry_point.dist
    if distribution is None:
        return InstalledPlugin(entry_point.name, "unknown", "unknown", entry_point)
    return InstalledPlugin(entry_point.name, distribution.name, distribution.version, entry_point)
