"""Codecs on disk: ``codec.json`` with the registered name, beside the files that the codec itself writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weft.errors import FolderError, PluginError, WeftError
from weft.interfaces.codec import Codec
from weft.plugins.registry import Registry
from weft.storage.atomic import write_json
from weft.storage.hashing import hash_folder, hash_json
from weft.storage.schema import read_manifest

SCHEMA = 1
MANIFEST = "codec.json"
ALLOWED_SUFFIXES = frozenset({".json", ".safetensors", ".npy"})


def save_codec(codec: Codec[Any], folder: Path) -> str:
    """Write a codec into a new folder and return its hash.

    Raises:
        PluginError: The codec writes files of a kind that Weft does not open.
    """
    folder.mkdir(parents=True)
    codec.save(folder)
    for path in folder.rglob("*"):
        if path.is_file() and (path.suffix not in ALLOWED_SUFFIXES or path.name == MANIFEST):
            raise PluginError(
                f"the codec {codec.name!r} writes {path.name}; codecs are kept in JSON, safetensors and .npy files, "
                f"and {MANIFEST} is core's own"
            )
    write_json(folder / MANIFEST, {"kind": "codec", "schema": SCHEMA, "name": codec.name})
    return codec_hash(folder)


def load_codec(folder: Path, registry: Registry) -> Codec[Any]:
    """Read a codec back, by its registered name.

    Raises:
        PluginError: No installed plugin provides it.
        FolderError: It is damaged or of a newer schema.
    """
    codec = registry.codec_class(codec_name(folder))
    try:
        return codec.load(folder)
    except WeftError:
        raise
    except Exception as error:
        raise FolderError(
            f"the codec in {folder} is damaged ({error}); make the folder again or restore the file"
        ) from error


def codec_name(folder: Path) -> str:
    """Registered name of the codec in a folder."""
    name = read_manifest(folder, "codec", SCHEMA).get("name")
    if not isinstance(name, str):
        raise FolderError(f"{folder / MANIFEST} is damaged: it names no codec")
    return name


def codec_hash(folder: Path) -> str:
    """What identifies a codec: its registered name and the files that it wrote."""
    return hash_json([codec_name(folder), hash_folder(folder, skip={MANIFEST})])
