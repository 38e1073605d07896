"""What the installed plugins offer, by name; what they name is imported when it is asked for.

Interfaces are imported where they are used: most of them load NumPy, which ``weft --help`` does not need.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from weft.errors import PluginError
from weft.interfaces.modality import Modality
from weft.plugins.discovery import Command, Contribution, Discovery, Quarantined, discover
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure, load_object
from weft.plugins.metadata import InstalledPlugin, installed_plugins
from weft.plugins.official import official_plugin
from weft.plugins.validation import BUILT_IN_CODECS

if TYPE_CHECKING:
    from weft.interfaces.callback import Callback
    from weft.interfaces.codec import Codec
    from weft.interfaces.demo import Demo
    from weft.interfaces.generator import Generator, LogitsProcessor
    from weft.interfaces.payload import PayloadFormat
    from weft.interfaces.preparer import AnyPreparer, Filter
    from weft.interfaces.source import SourceReader
    from weft.interfaces.trainer import Trainer
    from weft.plugins.check import PluginCheck

DISABLE_VARIABLE = "WEFT_DISABLE_PLUGINS"
"""``all`` or ``1`` turns every plugin off; comma-separated names turn those off."""

T = TypeVar("T")


class Registry:
    """Everything that plugins registered, less those in quarantine.

    All methods that import what a plugin names raise :class:`weft.PluginError` where that fails.
    """

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        contributions = discovery.loaded.values()
        everything = {name: modality for each in contributions for name, modality in each.modalities.items()}
        self._modalities = dict(sorted(everything.items()))
        self._codecs = {**BUILT_IN_CODECS, **{n: p for each in contributions for n, p in each.codecs().items()}}

    @property
    def quarantined(self) -> Sequence[Quarantined]:
        """Plugins that are set aside, with the reason."""
        return tuple(self._discovery.quarantined)

    @property
    def disabled(self) -> Sequence[InstalledPlugin]:
        """Plugins that ``WEFT_DISABLE_PLUGINS`` turns off."""
        return tuple(self._discovery.disabled)

    @property
    def loaded(self) -> Mapping[InstalledPlugin, Contribution]:
        """Working plugins and what each registered."""
        return self._discovery.loaded

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """By name, sorted."""
        return self._modalities

    def modality(self, name: str) -> Modality:
        """The modality of that name.

        Raises:
            PluginError: No working plugin provides it; the message says what to install, or what is there.
        """
        if name not in self._modalities:
            raise PluginError(self._explain_missing(name))
        return self._modalities[name]

    @property
    def codec_names(self) -> Sequence[str]:
        """Names of all registered codecs, core's own included, sorted."""
        return sorted(self._codecs)

    def codec_class(self, name: str) -> type[Codec[Any]]:
        """The codec registered under that name."""
        from weft.interfaces.codec import Codec

        if name not in self._codecs:
            known = ", ".join(self.codec_names)
            raise PluginError(
                f"no installed plugin provides the codec {name!r} (there are: {known}); install the plugin that does"
            )
        path = self._codecs[name]
        codec = _load_class(path, Codec)
        if getattr(codec, "name", None) != name:
            raise PluginError(f"{path} is registered as codec {name!r}, but its class attribute `name` differs")
        return codec

    def preparer_class(self, modality: str) -> type[AnyPreparer]:
        from weft.interfaces.preparer import Preparer

        return _load_class(self.modality(modality).preparer, Preparer)

    def options_class(self, modality: str) -> type[Any]:
        """The dataclass of preparation options."""
        from weft.plugins.options import check_options_class

        path = self.modality(modality).options
        return check_options_class(path, load_object(path))

    def payload_format(self, modality: str) -> PayloadFormat[Any]:
        from weft.interfaces.payload import PayloadFormat

        return _make(self.modality(modality).payload, PayloadFormat)

    def trainer_class(self, modality: str) -> type[Trainer[Any]]:
        from weft.interfaces.trainer import Trainer

        return _load_class(self.modality(modality).trainer, Trainer)

    def generator(self, modality: str) -> Generator[Any]:
        from weft.interfaces.generator import Generator

        return _make(self.modality(modality).generator, Generator)

    def demo(self, modality: str) -> Demo | None:
        """What the modality brings to ``weft demo``; ``None`` if nothing."""
        from weft.interfaces.demo import Demo

        path = self.modality(modality).demo
        return None if path is None else _make(path, Demo)

    def source_readers(self) -> Sequence[type[SourceReader]]:
        """Readers of sources that plugins add, in the order of plugins."""
        return [self.source_reader(path) for each in self.loaded.values() for path in each.sources]

    def source_reader(self, path: str) -> type[SourceReader]:
        """The reader that a plugin registered by that import path."""
        from weft.interfaces.source import SourceReader

        return _load_class(path, SourceReader)

    def filters(self, modality: str) -> Sequence[Filter[Any]]:
        """Filters that plugins add to a modality, in the order of plugins."""
        from weft.interfaces.preparer import Filter

        paths = [path for each in self.loaded.values() for name, path in each.filters if name == modality]
        return [_make(path, Filter) for path in paths]

    def logits_processors(self) -> Sequence[type[LogitsProcessor]]:
        """Classes of logits processors that plugins add, in the order of plugins."""
        from weft.interfaces.generator import LogitsProcessor

        paths = [path for each in self.loaded.values() for path in each.logits_processors]
        return [_load_class(path, LogitsProcessor) for path in paths]

    def callback_paths(self) -> Sequence[tuple[str, str]]:
        """``(distribution, import path)`` of the callbacks of training that plugins add, in the order of plugins."""
        return [(plugin.distribution, path) for plugin, each in self.loaded.items() for path in each.callbacks]

    def callback_class(self, path: str) -> type[Callback]:
        """The class of callbacks that a plugin registered by that import path."""
        from weft.interfaces.callback import Callback

        return _load_class(path, Callback)

    def callback(self, path: str) -> Callback:
        """A fresh callback of the class that a plugin registered by that import path."""
        from weft.interfaces.callback import Callback

        return _make(path, Callback)

    def commands(self) -> Mapping[str, Command]:
        """Commands that plugins add, by name."""
        return {name: command for each in self.loaded.values() for name, command in each.commands.items()}

    def check(self) -> Sequence[PluginCheck]:
        """Import everything that every plugin names, and say what it registers or why it fails."""
        from weft.plugins.check import check_plugins

        return check_plugins(self)

    def _explain_missing(self, name: str) -> str:
        official = official_plugin(name)
        for plugin, reason in ((q.plugin, q.reason) for q in self.quarantined):
            if name == plugin.name or (official and plugin.distribution == official.distribution):
                return f"modality {name!r} is not available: the plugin {plugin.distribution} {reason}"
        for plugin in self.disabled:
            if name == plugin.name or (official and plugin.distribution == official.distribution):
                return f"modality {name!r} is not available: {DISABLE_VARIABLE} turns {plugin.distribution} off"
        if official is not None:
            return f"modality {name!r} is not available: {official.install_hint}"
        close = difflib.get_close_matches(name, self._modalities, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        known = ", ".join(self._modalities) or "none"
        return f"no installed plugin provides the modality {name!r} (there are: {known}){hint}"


@functools.cache
def _cached_registry() -> Registry:
    return Registry(discover(installed_plugins(), os.environ.get(DISABLE_VARIABLE, "")))


def get_registry(*, strict: bool = False) -> Registry:
    """The registry of this process, made on first use.

    Args:
        strict: Make a plugin in quarantine an error.

    Raises:
        PluginError: ``strict``, and a plugin is in quarantine.
    """
    registry = _cached_registry()
    if strict and registry.quarantined:
        reasons = "; ".join(f"{each.plugin.distribution} {each.reason}" for each in registry.quarantined)
        raise PluginError(f"plugins in quarantine: {reasons}")
    return registry


def reset_registry() -> None:
    """Forget the registry, so that the next use looks for plugins again."""
    _cached_registry.cache_clear()


def _load_class(path: str, base: type[T]) -> type[T]:
    """Import a class.

    Raises:
        PluginError: It cannot be imported, or is no class of the kind that is wanted.
    """
    found = load_object(path)
    if not isinstance(found, type) or not issubclass(found, base):
        raise PluginError(f"{path} is not a weft.{base.__name__}; derive it from that class")
    return found


def _make(path: str, base: type[T]) -> T:
    """Import a class and make an object of it, without arguments.

    Raises:
        PluginError: As :func:`_load_class`, or the class cannot be made.
    """
    maker: Callable[[], T] = _load_class(path, base)
    try:
        return maker()
    except FOREIGN_ERRORS as error:
        raise PluginError(f"{path} cannot be made: it {describe_failure(error)}") from error
