"""Token layers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import FolderError
from weft.storage.tokens import TokenLayer, TokenWriter


def write(folder: Path, payloads: list[list[int]], vocab_size: int = 100) -> None:
    with TokenWriter(folder, vocab_size) as writer:
        for payload in payloads:
            writer.append(payload)


@st.composite
def layers(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    vocab_size = draw(st.sampled_from([1, 2, 256, 65535, 65536, 65537, 1 << 31]))
    ids = st.integers(0, vocab_size - 1)
    return vocab_size, draw(st.lists(st.lists(ids, max_size=12), max_size=12))


@given(layers())
def test_what_is_written_is_read(layer: tuple[int, list[list[int]]]) -> None:
    vocab_size, payloads = layer
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), payloads, vocab_size)
        read = TokenLayer.open(Path(name))
        plain = np.load(Path(name) / "tokens.npy", allow_pickle=False)
        memory = TokenLayer.from_arrays([np.asarray(p, np.int32) for p in payloads], vocab_size)
        for each in (read, memory):
            assert [tokens.tolist() for tokens in each] == payloads
            assert all(tokens.dtype == np.int32 for tokens in each)
            assert (len(each), each.total) == (len(payloads), sum(map(len, payloads)))
            assert each.lengths.tolist() == [len(p) for p in payloads]
    assert plain.dtype == (np.uint16 if vocab_size <= 65536 else np.uint32)
    assert plain.tolist() == [i for p in payloads for i in p]


def test_indices_are_those_of_a_sequence(tmp_path: Path) -> None:
    write(tmp_path, [[1], [], [2, 3]])
    layer = TokenLayer.open(tmp_path)
    assert layer[-1].tolist() == [2, 3]
    assert layer[np.int64(2)].tolist() == [2, 3]
    assert [tokens.tolist() for tokens in layer[1:]] == [[], [2, 3]]
    with pytest.raises(IndexError):
        layer[3]


def test_what_is_read_can_be_changed_without_harm(tmp_path: Path) -> None:
    write(tmp_path, [[1, 2]])
    layer = TokenLayer.open(tmp_path)
    layer[0][0] = 9
    assert layer[0].tolist() == [1, 2]


@pytest.mark.parametrize("ids", [[100], [-1], [[1]]])
def test_ids_outside_of_the_vocabulary_are_refused(tmp_path: Path, ids: list[int]) -> None:
    with pytest.raises(ValueError, match="token ids must"), TokenWriter(tmp_path, 100) as writer:
        writer.append(ids)


def test_a_layer_that_was_not_finished_does_not_open(tmp_path: Path) -> None:
    def fail() -> None:
        with TokenWriter(tmp_path, 100) as writer:
            writer.append([1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(FolderError, match="damaged"):
        TokenLayer.open(tmp_path)


@pytest.mark.parametrize("name", ["tokens.npy", "offsets.npy"])
@pytest.mark.parametrize("keep", [0, 5, 100, 127, -1])
def test_a_file_that_is_cut_off(tmp_path: Path, name: str, keep: int) -> None:
    write(tmp_path, [[1, 2, 3]] * 50)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FolderError, match="damaged"):
        TokenLayer.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("offsets.npy", np.array([0, 4])),
        ("offsets.npy", np.array([0, 4, 1, 3])),
        ("offsets.npy", np.array([1, 3])),
        ("offsets.npy", np.array([0.0, 3.0])),
        ("offsets.npy", np.array([], np.int64)),
        ("offsets.npy", np.array([{"a": 1}], object)),
        ("tokens.npy", np.array([1, 2])),
        ("tokens.npy", np.array([[1, 2, 3]], np.uint16)),
        ("tokens.npy", np.array([{"a": 1}], object)),
    ],
)
def test_arrays_that_are_no_layer(tmp_path: Path, name: str, array: np.ndarray) -> None:
    write(tmp_path, [[1, 2, 3]])
    np.save(tmp_path / name, array, allow_pickle=True)
    with pytest.raises(FolderError, match="damaged"):
        TokenLayer.open(tmp_path)


def test_a_layer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="damaged"):
        TokenLayer.open(tmp_path)


def test_several_at_once_are_as_one_by_one(tmp_path: Path) -> None:
    payloads = [[1, 2, 3], [], [99], [4, 5]]
    for name in ("one", "several"):
        (tmp_path / name).mkdir()
    write(tmp_path / "one", payloads)
    with TokenWriter(tmp_path / "several", 100) as writer:
        writer.extend(payloads[:2])
        writer.extend([])
        writer.extend(payloads[2:])
    for file in ("tokens.npy", "offsets.npy"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "several" / file).read_bytes()
    with pytest.raises(ValueError, match="token ids must be in"), TokenWriter(tmp_path, 100) as writer:
        writer.extend([[1], [100]])
