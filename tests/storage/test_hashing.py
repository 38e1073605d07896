"""Hashes are of content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from weft.storage.hashing import hash_bytes, hash_file, hash_folder, hash_json


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_file_is_hashed_as_its_bytes(tmp_path: Path) -> None:
    data = b"x" * 300_000
    (tmp_path / "a").write_bytes(data)
    assert hash_file(tmp_path / "a") == hash_bytes(data) == hashlib.sha256(data).hexdigest()


def test_a_folder_is_hashed_by_names_and_contents(tmp_path: Path) -> None:
    files = {"a": "1", "b/c": "2"}
    first = hash_folder(fill(tmp_path / "one", files))
    assert first == hash_folder(fill(tmp_path / "two", dict(reversed(files.items()))))
    for number, other in enumerate(
        ({"a": "1"}, {"a": "1", "b/c": "3"}, {"a": "1", "b/d": "2"}, {"a": "12", "b/c": ""})
    ):
        assert hash_folder(fill(tmp_path / f"other{number}", other)) != first
    assert hash_folder(tmp_path / "one", skip={"b/c"}) == hash_folder(fill(tmp_path / "less", {"a": "1"}))


def test_a_value_is_hashed_whatever_the_order_of_its_keys() -> None:
    assert hash_json({"a": 1, "b": [2, None]}) == hash_json({"b": [2, None], "a": 1})
    assert hash_json(["a", "b"]) != hash_json(["ab"])
    assert hash_json("\ud800") != hash_json("?")
