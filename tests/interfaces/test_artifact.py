"""Names of saved artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.interfaces.generator import Artifact, Drawn, SamplingOptions
from weft.interfaces.payload import PayloadFormat


class BytesFormat(PayloadFormat[bytes]):
    extension = ".bin"

    def to_bytes(self, payload: bytes) -> bytes:
        return payload

    def from_bytes(self, data: bytes) -> bytes:
        return data

    def html(self, payload: bytes, path: Path, *, title: str) -> str:
        return title


def artifact(prompt: str | None, seed: int, payload: bytes = b"x") -> Artifact[Any]:
    return Artifact(payload, "melody", prompt, Drawn([], [], seed, True), SamplingOptions(), BytesFormat())


@given(st.none() | st.text(max_size=300), st.integers(0, 2**62))
def test_a_name_is_safe_and_ends_with_the_whole_seed(
    tmp_path_factory: pytest.TempPathFactory, prompt: str | None, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("artifacts")
    path = artifact(prompt, seed).save(folder)
    assert path.parent == folder
    assert path.name.endswith(f"-{seed}.bin")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A red, bicycle!", "a-red-bicycle-7.bin"),
        (None, "melody-7.bin"),
        ("", "melody-7.bin"),
        ("../..", "melody-7.bin"),
    ],
)
def test_a_name_is_made_of_prompt_and_seed(tmp_path: Path, prompt: str | None, expected: str) -> None:
    assert artifact(prompt, 7).save(tmp_path).name == expected


def test_a_file_name_is_taken_as_it_is(tmp_path: Path) -> None:
    assert artifact("x", 1).save(tmp_path / "deep" / "mine.bin") == tmp_path / "deep" / "mine.bin"
    assert artifact("x", 1).save(tmp_path, name="other").name == "other.bin"


def test_nothing_in_a_folder_is_overwritten(tmp_path: Path) -> None:
    """Equal prompt and seed give another artifact at another temperature, and a name keeps neither case nor marks."""
    paths = [
        artifact(prompt, 7, payload).save(tmp_path)
        for prompt, payload in [("a cat", b"1"), ("A cat?", b"2"), ("a cat", b"3"), ("a cat", b"2"), ("a cat", b"1")]
    ]
    assert [path.name for path in paths] == [f"a-cat-7{end}.bin" for end in ("", "-2", "-3", "-2", "")]
    assert [path.read_bytes() for path in paths] == [b"1", b"2", b"3", b"2", b"1"]
    assert len(list(tmp_path.iterdir())) == 3
    named = [artifact("x", 1, payload).save(tmp_path / "deep", name="v1.5").name for payload in (b"1", b"2")]
    assert named == ["v1.5.bin", "v1.5-2.bin"]


def test_a_file_that_was_named_is_replaced(tmp_path: Path) -> None:
    for payload in (b"old", b"new"):
        assert artifact("x", 1, payload).save(tmp_path / "mine.bin").read_bytes() == payload
    assert [path.name for path in tmp_path.iterdir()] == ["mine.bin"]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, payload: bytes, path: Path) -> None:
        path.write_bytes(payload[:1])
        raise OSError("disk full")

    artifact("x", 1, b"old").save(tmp_path / "mine.bin")
    monkeypatch.setattr(BytesFormat, "save", fail)
    for target in (tmp_path, tmp_path / "mine.bin"):
        with pytest.raises(OSError, match="disk full"):
            artifact("x", 1, b"new").save(target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"mine.bin": b"old"}
