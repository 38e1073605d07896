"""Loading installed plugins, each by itself: one that fails is set aside with its reason and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pluggy

from weft.errors import PluginError
from weft.interfaces.modality import Modality
from weft.plugins.hookspecs import PROJECT, Hooks
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure, quiet_stdout
from weft.plugins.metadata import InstalledPlugin
from weft.plugins.validation import BUILT_IN_CODECS, check_command_name, check_modality, check_path


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a plugin adds.

    Attributes:
        name: As typed after ``weft``.
        path: Import path of the click command.
        help: Its line in ``weft --help``.
    """

    name: str
    path: str
    help: str


@dataclass(slots=True)
class Contribution:
    """All that one plugin registers."""

    modalities: dict[str, Modality] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    filters: list[tuple[str, str]] = field(default_factory=list)
    logits_processors: list[str] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)

    def add_modality(self, modality: Modality, /) -> None:
        checked = check_modality(modality)
        if checked.name in self.modalities:
            raise PluginError(f"registers the modality {checked.name!r} twice")
        self.modalities[checked.name] = checked

    def add_source(self, path: str, /) -> None:
        self.sources.append(check_path(path))

    def add_filter(self, modality: str, path: str, /) -> None:
        self.filters.append((str(modality), check_path(path)))

    def add_logits_processor(self, path: str, /) -> None:
        self.logits_processors.append(check_path(path))

    def add_callback(self, path: str, /) -> None:
        self.callbacks.append(check_path(path))

    def add_command(self, name: str, path: str, help: str, /) -> None:
        checked = check_command_name(name)
        if checked in self.commands:
            raise PluginError(f"registers the command {checked!r} twice")
        self.commands[checked] = Command(checked, check_path(path), str(help))

    def codecs(self) -> dict[str, str]:
        """Registered codec name to import path."""
        return {name: path for modality in self.modalities.values() for name, path in modality.codecs.items()}


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A plugin that is set aside, and why, in one line."""

    plugin: InstalledPlugin
    reason: str


@dataclass(slots=True)
class Discovery:
    """What became of each installed plugin."""

    loaded: dict[InstalledPlugin, Contribution] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    disabled: list[InstalledPlugin] = field(default_factory=list)


def discover(plugins: Sequence[InstalledPlugin], disabled: str = "") -> Discovery:
    """Load plugins in the given order; of two that register the same name the first wins.

    Args:
        plugins: Installed ones.
        disabled: Value of ``WEFT_DISABLE_PLUGINS``: ``all`` or ``1``, or comma-separated names of entry points or
            distributions.
    """
    names = {name.strip().lower() for name in disabled.split(",")} - {"", "0"}
    found = Discovery()
    for plugin in plugins:
        if names & {"all", "1", plugin.name.lower(), plugin.distribution.lower()}:
            found.disabled.append(plugin)
            continue
        try:
            contribution = load_contribution(plugin)
            _check_free(contribution, found.loaded)
        except PluginError as error:
            found.quarantined.append(Quarantined(plugin, str(error)))
        else:
            found.loaded[plugin] = contribution
    return found


def load_contribution(plugin: InstalledPlugin) -> Contribution:
    """Import a plugin's entry module and call its hooks.

    Raises:
        PluginError: The module or a hook raises or exits, or registers something malformed.
    """
    contribution = Contribution()
    try:
        with quiet_stdout():
            _call_hooks(plugin.entry_point.load(), contribution)
    except PluginError:
        raise
    except FOREIGN_ERRORS as error:
        raise PluginError(describe_failure(error)) from error
    return contribution


def _call_hooks(entry: object, contribution: Contribution) -> None:
    """Call the hooks of one plugin through a manager of its own, so that a failure in the middle touches no other."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(entry)
    manager.check_pending()
    if not manager.get_hookcallers(entry):
        raise PluginError("registers nothing: its entry module has no function marked with @weft.hookimpl")
    manager.hook.register_modalities(register=contribution.add_modality)
    manager.hook.register_sources(register=contribution.add_source)
    manager.hook.register_filters(register=contribution.add_filter)
    manager.hook.register_logits_processors(register=contribution.add_logits_processor)
    manager.hook.register_callbacks(register=contribution.add_callback)
    manager.hook.register_commands(register=contribution.add_command)


def _check_free(contribution: Contribution, loaded: Mapping[InstalledPlugin, Contribution]) -> None:
    """Refuse names that an earlier plugin has taken."""
    for plugin, other in loaded.items():
        codecs = other.codecs()
        clashes = [
            *(f"modality {name!r}" for name in contribution.modalities if name in other.modalities),
            *(f"codec {name!r}" for name in contribution.codecs() if name in codecs and name not in BUILT_IN_CODECS),
            *(f"command {name!r}" for name in contribution.commands if name in other.commands),
        ]
        if clashes:
            raise PluginError(f"registers the {clashes[0]}, which {plugin.distribution} has registered already")
