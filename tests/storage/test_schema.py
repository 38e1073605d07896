"""Manifests of this version, of older ones and of newer ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weft.errors import FolderError
from weft.storage.schema import read_manifest


def write(folder: Path, manifest: Any) -> Path:
    (folder / "corpus.json").write_text(json.dumps(manifest))
    return folder


def test_the_present_version_is_read_as_it_is(tmp_path: Path) -> None:
    manifest = {"kind": "corpus", "schema": 2, "a": 1}
    assert read_manifest(write(tmp_path, manifest), "corpus", 2) == manifest


def test_older_versions_are_migrated_step_by_step(tmp_path: Path) -> None:
    migrations = {"corpus": {1: lambda m: {**m, "b": m["a"] + 1}, 2: lambda m: {**m, "c": m["b"] + 1}}}
    write(tmp_path, {"kind": "corpus", "schema": 1, "a": 1})
    expected = {"kind": "corpus", "schema": 3, "a": 1, "b": 2, "c": 3}
    assert read_manifest(tmp_path, "corpus", 3, migrations) == expected


def test_a_version_without_migration(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no longer reads"):
        read_manifest(write(tmp_path, {"kind": "corpus", "schema": 1}), "corpus", 2, {})


def test_a_newer_version(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"newer Weft \(schema 3; this one reads up to 2\); upgrade weft"):
        read_manifest(write(tmp_path, {"kind": "corpus", "schema": 3}), "corpus", 2)


@pytest.mark.parametrize("schema", [None, "1", 0, True, 1.5])
def test_a_version_that_is_none(tmp_path: Path, schema: Any) -> None:
    with pytest.raises(FolderError, match="not a version number"):
        read_manifest(write(tmp_path, {"kind": "corpus", "schema": schema}), "corpus", 2)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000])
def test_a_file_that_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(FolderError, match="damaged"):
        read_manifest(tmp_path, "corpus", 1)


def test_another_kind(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="kind 'run'"):
        read_manifest(write(tmp_path, {"kind": "run", "schema": 1}), "corpus", 1)


def test_a_run_where_a_corpus_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(FolderError, match="is a run, not a corpus; give a folder made by `weft prepare`"):
        read_manifest(tmp_path, "corpus", 1)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="does not exist"):
        read_manifest(tmp_path / "absent", "corpus", 1)
    with pytest.raises(FolderError, match=r"no corpus.json; give a folder made by `weft prepare`"):
        read_manifest(tmp_path, "corpus", 1)
