"""What a plugin may hook into. A plugin's entry module marks its functions with ``@weft.hookimpl``.

Each hook is handed a ``register`` callback, and is called once, when plugins are loaded. Everything is registered by
import path (``"package.module:Name"``), so that an entry module stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from weft.interfaces.modality import Modality

PROJECT = "weft"
"""Name of the pluggy project, and of the entry-point group that plugins are found by."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin's entry module as one of the hooks in :class:`Hooks`."""


class RegisterModality(Protocol):
    def __call__(self, modality: Modality, /) -> None:
        """Offer a content type."""


class RegisterSource(Protocol):
    def __call__(self, path: str, /) -> None:
        """Offer a :class:`weft.SourceReader`, which is asked before core's own."""


class RegisterFilter(Protocol):
    def __call__(self, modality: str, path: str, /) -> None:
        """Offer a :class:`weft.Filter`, made without arguments, to samples of the named modality."""


class RegisterLogitsProcessor(Protocol):
    def __call__(self, path: str, /) -> None:
        """Offer a :class:`weft.LogitsProcessor`."""


class RegisterCallback(Protocol):
    def __call__(self, path: str, /) -> None:
        """Offer a :class:`weft.Callback`, made without arguments for each training."""


class RegisterCommand(Protocol):
    def __call__(self, name: str, path: str, help: str, /) -> None:
        """Offer a click command as ``weft NAME``; ``help`` is its line in ``weft --help``."""


class Hooks:
    """The specifications; a plugin implements those that it needs."""

    @hookspec
    def register_modalities(self, register: RegisterModality) -> None:
        """Content types: see :class:`weft.Modality`."""

    @hookspec
    def register_sources(self, register: RegisterSource) -> None:
        """Further kinds of sources."""

    @hookspec
    def register_filters(self, register: RegisterFilter) -> None:
        """Further judges of samples, run after the modality's own."""

    @hookspec
    def register_logits_processors(self, register: RegisterLogitsProcessor) -> None:
        """Further steps between a model's logits and the draw."""

    @hookspec
    def register_callbacks(self, register: RegisterCallback) -> None:
        """Something that happens beside every training of a run, after core's own callbacks."""

    @hookspec
    def register_commands(self, register: RegisterCommand) -> None:
        """Further commands of ``weft``."""
