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


def artifact(prompt: str | None, seed: int) -> Artifact[Any]:
    return Artifact(b"x", "melody", prompt, Drawn([], [], seed, True), SamplingOptions(), BytesFormat())


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
