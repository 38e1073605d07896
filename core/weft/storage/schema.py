"""Manifests: which kind of folder it is, which version wrote it, and how older ones are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from weft.errors import FolderError

T = TypeVar("T")
Migration = Callable[[dict[str, Any]], dict[str, Any]]


def _corpus_2(manifest: dict[str, Any]) -> dict[str, Any]:
    """Sources were names alone, and payloads one file."""
    sources = [{"location": location} for location in manifest.get("sources", [])]
    return {**manifest, "sources": sources, "payloads": ["payloads.parquet"]}


def _run_2(manifest: dict[str, Any]) -> dict[str, Any]:
    """The number of micro-batches was kept, not their size."""
    settings = dict(manifest["settings"])
    parts = settings.pop("micro_batches", 1)
    if parts > 1:
        settings["micro_batch_size"] = -(-settings["batch_size"] // parts)
    return {**manifest, "settings": settings}


MIGRATIONS: Mapping[str, Mapping[int, Migration]] = {"corpus": {1: _corpus_2}, "run": {1: _run_2}, "codec": {}}
"""Kind to (schema version to the function that turns a manifest of that version into one of the next)."""

MADE_BY = {"corpus": "weft prepare", "run": "weft train"}


def read_manifest(
    folder: Path, kind: str, schema: int, migrations: Mapping[str, Mapping[int, Migration]] = MIGRATIONS
) -> dict[str, Any]:
    """Read ``<kind>.json`` of a folder, migrated to the newest schema.

    Args:
        folder: A corpus, a run or a codec.
        kind: ``corpus``, ``run`` or ``codec``.
        schema: The newest version that this Weft knows.
        migrations: How older versions become newer ones.

    Raises:
        FolderError: The folder is missing, of another kind, damaged, or of a newer schema.
    """
    path = folder / f"{kind}.json"
    hint = f"; give a folder made by `{MADE_BY[kind]}`" if kind in MADE_BY else ""
    if not folder.is_dir():
        raise FolderError(f"{folder} does not exist or is no folder{hint}")
    if not path.is_file():
        other = next((name for name in MADE_BY if name != kind and (folder / f"{name}.json").is_file()), None)
        if other is not None:
            raise FolderError(f"{folder} is a {other}, not a {kind}{hint}")
        raise FolderError(f"{folder} is not a complete {kind}: it has no {path.name}{hint}")
    manifest = _parse(path)
    if manifest.get("kind", kind) != kind:
        raise FolderError(f"{path} is damaged: it says that it is of kind {manifest['kind']!r}")
    return _migrate(path, manifest, kind, schema, migrations.get(kind, {}))


def read_fields(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from the JSON object that holds its fields; what else the object holds is left out.

    Args:
        kind: The dataclass.
        values: As read from JSON.
        where: What is damaged if they do not fit, for the message.

    Raises:
        FolderError: A field is missing or of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "it"
        raise FolderError(f"{where} is damaged: {field}: {first['msg']}; restore the file, or make it again") from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FolderError(f"{path} is damaged ({error}); make the folder again or restore the file") from error
    if not isinstance(manifest, dict):
        raise FolderError(f"{path} is damaged: it holds no JSON object; make the folder again or restore the file")
    return manifest


def _migrate(
    path: Path, manifest: dict[str, Any], kind: str, schema: int, migrations: Mapping[int, Migration]
) -> dict[str, Any]:
    found = manifest.get("schema")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise FolderError(f"{path} is damaged: its schema is {found!r}, not a version number")
    if found > schema:
        raise FolderError(
            f"{path} was written by a newer Weft (schema {found}; this one reads up to {schema}); upgrade weft"
        )
    for version in range(found, schema):
        if version not in migrations:
            raise FolderError(f"{path} is of schema {version}, which this Weft no longer reads; make the {kind} again")
        manifest = {**migrations[version](manifest), "schema": version + 1}
    return manifest
