"""Importing all that plugins name, for ``weft plugins --check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from weft.errors import PluginError
from weft.interfaces.modality import Modality
from weft.plugins.discovery import Contribution
from weft.plugins.loading import load_object
from weft.plugins.metadata import InstalledPlugin

if TYPE_CHECKING:
    from weft.plugins.registry import Registry

Status = Literal["ok", "broken", "quarantined", "disabled"]


@dataclass(frozen=True, slots=True)
class PluginCheck:
    """What became of one plugin.

    Attributes:
        plugin: Which.
        status: ``broken`` has loaded, but something that it names cannot be used.
        registers: What it registers, one line each.
        problems: Why it is not ``ok``, one line each.
    """

    plugin: InstalledPlugin
    status: Status
    registers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check_plugins(registry: Registry) -> list[PluginCheck]:
    """Import every path that plugins name; sorted by distribution and name."""
    checks = [_check(registry, plugin, contribution) for plugin, contribution in registry.loaded.items()]
    checks += [PluginCheck(each.plugin, "quarantined", problems=(each.reason,)) for each in registry.quarantined]
    checks += [PluginCheck(plugin, "disabled") for plugin in registry.disabled]
    return sorted(checks, key=lambda check: (check.plugin.distribution, check.plugin.name))


def _check(registry: Registry, plugin: InstalledPlugin, contribution: Contribution) -> PluginCheck:
    problems = []
    for use in _uses(registry, contribution):
        try:
            use()
        except PluginError as error:
            problems.append(str(error))
    return PluginCheck(plugin, "broken" if problems else "ok", tuple(_lines(contribution)), tuple(problems))


def _uses(registry: Registry, contribution: Contribution) -> Iterator[Callable[[], Any]]:
    """One call for each thing that a plugin names: the call that later work makes."""
    for name, modality in contribution.modalities.items():
        for use in (
            registry.preparer_class,
            registry.options_class,
            registry.payload_format,
            registry.trainer_class,
            registry.generator,
            registry.demo,
        ):
            yield _bind(use, name)
        for codec in modality.codecs:
            yield _bind(registry.codec_class, codec)
    for path in contribution.sources:
        yield _bind(registry.source_reader, path)
    for name in {name for name, _ in contribution.filters}:
        yield _bind(registry.filters, name)
    if contribution.logits_processors:
        yield registry.logits_processors
    for path in contribution.callbacks:
        yield _bind(registry.callback, path)
    for command in contribution.commands.values():
        yield _bind(load_object, command.path)


def _bind(use: Callable[[str], Any], name: str) -> Callable[[], Any]:
    return lambda: use(name)


def _lines(contribution: Contribution) -> Iterator[str]:
    for modality in contribution.modalities.values():
        yield _modality_line(modality)
    for path in contribution.sources:
        yield f"source: {path}"
    for name, path in contribution.filters:
        yield f"filter of {name}: {path}"
    for path in contribution.logits_processors:
        yield f"logits processor: {path}"
    for path in contribution.callbacks:
        yield f"callback of training: {path}"
    for command in contribution.commands.values():
        yield f"command {command.name}: {command.help}"


def _modality_line(modality: Modality) -> str:
    extensions = " ".join(sorted(modality.extensions))
    return f"modality {modality.name}: {modality.summary} ({extensions}); codecs: {', '.join(sorted(modality.codecs))}"
