"""A folder that Hugging Face `datasets` loads as `imagefolder` or `audiofolder` gives the same items here."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from weft.preparation.collect import collect
from weft.preparation.infer import rejection
from weft.preparation.sources.entries import Refusal

from .conftest import captions, png, read, wav, write_zip

JSON_LINES = '{"file_name":"1.I","text":"é"}\n{"file_name":"d/2.I","text":"b"}\n'
LAYOUTS: dict[str, dict[str, str]] = {
    "flat": {"1.I": "", "2.I": ""},
    "folders are labels": {"cat/1.I": "", "dog/2.I": "", "dog/3.I": ""},
    "one folder": {"cat/1.I": "", "cat/2.I": ""},
    "folders of several depths": {"cat/1.I": "", "2.I": "", "cat/wild/3.I": ""},
    "splits": {"train/1.I": "", "train/2.I": "", "test/3.I": ""},
    "splits with labels": {"train/cat/1.I": "", "train/dog/2.I": "", "test/cat/3.I": "", "validation/dog/4.I": ""},
    "a table": {"1.I": "", "2.I": "", "metadata.csv": "file_name,text\n1.I,first\n2.I,second\n"},
    "a table in JSON": {"1.I": "", "d/2.I": "", "metadata.jsonl": JSON_LINES},
    "a table that leaves some out": {"1.I": "", "2.I": "", "3.I": "", "metadata.csv": "file_name,text\n2.I,second\n"},
    "a table and folders": {"cat/1.I": "", "dog/2.I": "", "metadata.csv": "file_name,text\ncat/1.I,a\ndog/2.I,b\n"},
    "a table of each folder": {
        "a/1.I": "", "a/metadata.csv": "file_name,text\n1.I,one\n",
        "b/2.I": "", "b/metadata.csv": "file_name,text\n2.I,two\n",
    },
    "a table of each split": {
        "train/1.I": "", "test/2.I": "", "test/3.I": "",
        "train/metadata.csv": "file_name,text\n1.I,one\n", "test/metadata.csv": "file_name,text\n2.I,two\n",
    },
    "tables with labels": {"1.I": "", "2.I": "", "metadata.csv": "file_name,label\n1.I,7\n2.I,8\n"},
    "other files beside": {
        "1.I": "", "notes.pdf": "x", ".hidden.I": "", "README.md": "x", "d/.git/2.I": "", "d/3.I": "",
    },
    "capital extensions": {"1.U": "", "2.I": ""},
    "data in a folder of that name": {"data/train/1.I": "", "data/test/2.I": ""},
}  # fmt: skip
LISTED_TWICE = {"1.I": "", "metadata.csv": "file_name,text\n1.I,first\n1.I,second\n"}


def fill(root: Path, layout: Mapping[str, str], kind: str) -> Path:
    extension = "png" if kind == "image" else "wav"
    for number, (name, text) in enumerate(layout.items()):
        path = root / name.replace(".I", f".{extension}").replace(".U", f".{extension.upper()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        media = name.endswith((".I", ".U"))
        path.write_bytes(
            (png if kind == "image" else wav)(number + 1) if media else text.replace(".I", f".{extension}").encode()
        )
    return root


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    library = pytest.importorskip("datasets")
    library.disable_progress_bars()
    if importlib.util.find_spec("torchcodec") is None:
        # It is asked for before the path of a recording is stored, for which it is not used.
        encoders = types.ModuleType("torchcodec.encoders")
        encoders.AudioEncoder = None  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
        monkeypatch.setitem(sys.modules, "torchcodec.encoders", encoders)
    return library


def theirs(datasets: Any, root: Path, kind: str) -> Counter[tuple[str, str | None]]:
    """Hash and description of every example of every split."""
    loaded = datasets.load_dataset(f"{kind}folder", data_dir=str(root), cache_dir=str(root.parent / "cache"))
    found: Counter[tuple[str, str | None]] = Counter()
    feature = datasets.Image if kind == "image" else datasets.Audio
    for split in loaded.values():
        names = getattr(split.features.get("label"), "names", None)
        for row in split.cast_column(kind, feature(decode=False)):
            data = row[kind]["bytes"]
            if data is None:
                with fsspec.open(row[kind]["path"], "rb") as file:
                    data = file.read()
            label = row.get("label")
            caption = row.get("text", names[label] if names and label is not None else label)
            found[hashlib.sha256(data).hexdigest(), None if caption is None else str(caption)] += 1
    return found


def ours(root: Path) -> Counter[tuple[str, str | None]]:
    found: Counter[tuple[str, str | None]] = Counter()
    for item in collect([root]).items:
        if item.suffix in (".png", ".wav") and not isinstance(item.open, Refusal):
            found[hashlib.sha256(read(item)).hexdigest(), item.caption()] += 1
    return found


def compare(datasets: Any, root: Path, kind: str) -> None:
    """The same items; and where `datasets` has a description, the same one."""
    expected, got = theirs(datasets, root, kind), ours(root)
    assert Counter(sha for sha, _ in expected.elements()) == Counter(sha for sha, _ in got.elements())
    mine = dict(got)
    for sha, caption in expected:
        # A library's label of the split itself is an artefact of its search for labels.
        if caption is not None and caption not in ("train", "test"):
            assert (sha, caption) in mine


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_a_layout_means_the_same(datasets: Any, tmp_path: Path, layout: str, kind: str) -> None:
    compare(datasets, fill(tmp_path / "source", LAYOUTS[layout], kind), kind)


@pytest.mark.parametrize("inside", ["cat/1.png", "1.png"])
def test_archives_mean_the_same(datasets: Any, tmp_path: Path, inside: str) -> None:
    source = fill(tmp_path / "source", {"dog/5.I": ""}, "image")
    write_zip(source / "a.zip", {inside: png(1), "dog/2.png": png(2)})
    compare(datasets, source, "image")
    write_zip(source / "a.zip", {"1.png": png(1), "metadata.csv": b"file_name,text\n1.png,first\n"})
    compare(datasets, source, "image")


def test_a_table_in_parquet_and_several_columns_of_files(datasets: Any, tmp_path: Path) -> None:
    source = fill(tmp_path / "source", {"1.I": "", "2.I": "", "3.I": ""}, "image")
    rows = [{"file_name": "1.png", "text": "one"}, {"file_name": "2.png", "text": "two"}]
    pq.write_table(pa.Table.from_pylist(rows), source / "metadata.parquet")
    compare(datasets, source, "image")


def test_a_row_with_two_pictures_describes_both(datasets: Any, tmp_path: Path) -> None:
    table = '{"before_file_name": "1.png", "after_file_name": "2.png", "text": "q"}\n'
    source = fill(tmp_path / "source", {"1.I": "", "2.I": "", "metadata.jsonl": table}, "image")
    (row,) = datasets.load_dataset("imagefolder", data_dir=str(source), cache_dir=str(tmp_path / "cache"))["train"]
    assert set(row) == {"before", "after", "text"}
    assert captions(source) == {"1.png": "q", "2.png": "q"}


def test_a_row_twice_is_a_file_once(datasets: Any, tmp_path: Path) -> None:
    """`datasets` has the same picture twice then; here the second row is counted and named."""
    source = fill(tmp_path / "source", LISTED_TWICE, "image")
    assert sum(theirs(datasets, source, "image").values()) == 2
    found = collect([source])
    assert captions(source) == {"1.png": "first"}
    assert found.tables.repeated == 1


def test_what_a_table_leaves_out_is_turned_away_by_name(tmp_path: Path, registry: Any) -> None:
    source = fill(tmp_path / "source", LAYOUTS["a table that leaves some out"], "image")
    found = collect([source])
    reasons = {item.name: rejection(item, "image", registry) for item in found.items}
    assert {name for name, reason in reasons.items() if reason and reason.code == "unlisted"} == {"1.png", "3.png"}
    assert any("2, for example 1.png" in warning for warning in found.warnings)
    (source / "metadata.csv").rename(source / "captions.csv")
    assert captions(source) == {"1.png": None, "2.png": "second", "3.png": None}
    assert not any(isinstance(item.open, Refusal) for item in collect([source]).items)


def test_a_folder_called_train_may_hold_trains(tmp_path: Path) -> None:
    trains = fill(tmp_path / "source", {"train/1.I": "", "bicycle/2.I": ""}, "image")
    assert captions(trains) == {"train/1.png": "train", "bicycle/2.png": "bicycle"}
    splits = fill(tmp_path / "splits", {"train/1.I": "", "test/2.I": "", "train/cat/3.I": ""}, "image")
    assert captions(splits) == {"train/1.png": None, "test/2.png": None, "train/cat/3.png": "cat"}
