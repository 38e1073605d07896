"""Whether what a plugin registers is well formed; complaints are for its author."""

from __future__ import annotations

import re
from collections.abc import Iterator

from weft.errors import PluginError
from weft.interfaces.modality import API_VERSION, MODALITY_NAME, Modality
from weft.plugins.loading import is_import_path

BUILT_IN_CODECS = {"bpe": "weft.codecs.bpe:ByteLevelBPE"}
"""Codecs of core itself, by registered name."""

BUILT_IN_COMMANDS = frozenset(
    {"demo", "fit-filter", "generate", "inspect", "merge", "plot", "plugins", "prepare", "train", "why"}
)
"""Commands of core itself: a plugin cannot replace them."""

RESERVED_NAMES = frozenset({"end"})
"""Names of which core has special ids: a modality's own marker would be the same."""

_DASHED_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_EXTENSION = re.compile(r"\.[^\s./\\]+")


def check_modality(modality: object) -> Modality:
    """Return the modality if it is well formed.

    Raises:
        PluginError: It asks for another API version, or a name, extension or import path is malformed.
    """
    if not isinstance(modality, Modality):
        raise PluginError(f"register_modalities: register takes a weft.Modality, got {type(modality).__name__}")
    if modality.api_version != API_VERSION:
        raise PluginError(
            f"asks for version {modality.api_version} of the plugin interface; this Weft has version {API_VERSION}"
        )
    if not isinstance(modality.name, str) or not MODALITY_NAME.fullmatch(modality.name):
        raise PluginError(f"modality name {modality.name!r} must be lower-case letters, digits and underscores")
    if modality.name in RESERVED_NAMES:
        raise PluginError(f"modality name {modality.name!r} is one of Weft itself; choose another")
    _check_extensions(modality)
    for field, path in modality_paths(modality):
        if not is_import_path(path):
            raise PluginError(f"modality {modality.name!r}: {field} must be 'package.module:Name', got {path!r}")
    for codec in modality.codecs:
        _check_codec_name(modality, codec)
    return modality


def modality_paths(modality: Modality) -> Iterator[tuple[str, str]]:
    """``(field, import path)`` of everything that a modality names."""
    yield "preparer", modality.preparer
    yield "payload", modality.payload
    yield "generator", modality.generator
    yield "options", modality.options
    yield "trainer", modality.trainer
    for name, path in modality.codecs.items():
        yield f"codec {name}", path
    if modality.demo is not None:
        yield "demo", modality.demo


def check_path(path: object) -> str:
    """Return an import path if it is one.

    Raises:
        PluginError: It is not of the form ``package.module:Name``.
    """
    if not isinstance(path, str) or not is_import_path(path):
        raise PluginError(f"{path!r} is not an import path; write it as 'package.module:Name'")
    return path


def check_command_name(name: object) -> str:
    """Return the name of a command if it is well formed and free.

    Raises:
        PluginError: It is malformed or a command of Weft itself.
    """
    if not isinstance(name, str) or not _DASHED_NAME.fullmatch(name):
        raise PluginError(f"command name {name!r} must be lower-case letters, digits and dashes")
    if name in BUILT_IN_COMMANDS:
        raise PluginError(f"command {name!r} is one of Weft itself; choose another name")
    return name


def _check_extensions(modality: Modality) -> None:
    if isinstance(modality.extensions, str) or not modality.extensions:
        raise PluginError(f"modality {modality.name!r}: extensions must be a set such as {{'.mid'}}")
    for extension in modality.extensions:
        if not isinstance(extension, str) or not _EXTENSION.fullmatch(extension) or extension != extension.lower():
            raise PluginError(
                f"modality {modality.name!r}: extension {extension!r} must be lower case and begin with a dot"
            )


def _check_codec_name(modality: Modality, codec: object) -> None:
    if not isinstance(codec, str) or not _DASHED_NAME.fullmatch(codec):
        raise PluginError(f"modality {modality.name!r}: codec name {codec!r} must be lower-case letters and dashes")
    if codec in BUILT_IN_CODECS and modality.codecs[codec] != BUILT_IN_CODECS[codec]:
        raise PluginError(f"modality {modality.name!r}: codec name {codec!r} belongs to Weft itself")
