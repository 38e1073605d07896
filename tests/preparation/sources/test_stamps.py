"""What tells that the content of an item is not what it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from weft.preparation.collect import collect

from .conftest import png, write_tar, write_zip

FIRST, SECOND = png(1), png(2)


def stamps(*sources: Any) -> dict[str, str]:
    return {item.name: item.stamp for item in collect(sources).items}


def write_folder(root: Path, content: bytes) -> Path:
    (root / "s").mkdir(exist_ok=True)
    (root / "s" / "a.png").write_bytes(content)
    return root / "s"


def write_file(root: Path, content: bytes) -> Path:
    return write_folder(root, content) / "a.png"


def write_folder_of_archives(root: Path, content: bytes) -> Path:
    (root / "t").mkdir(exist_ok=True)
    write_zip(root / "t" / "a.zip", {"a.png": content})
    return write_tar(root / "t" / "a.tar", {"a.png": content}).parent


def write_parquet(root: Path, content: bytes) -> Path:
    pq.write_table(pa.table({"image": [content, content]}), root / "a.parquet")
    return root / "a.parquet"


def write_saved(root: Path, content: bytes) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features({"image": datasets.Image()})
    images = [{"bytes": content, "path": None}] * 2
    datasets.Dataset.from_dict({"image": images}, features=features).save_to_disk(root / "saved")
    return root / "saved"


def write_saved_text(root: Path, content: bytes) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": [content.hex()] * 1500}).save_to_disk(root / "saved")
    return root / "saved"


def write_remote(root: Path, content: bytes) -> str:
    fsspec.filesystem("memory").pipe("/stamps/a.png", content)
    return "memory://stamps/a.png"


WRITERS: dict[str, Callable[[Path, bytes], Any]] = {
    "folder": write_folder,
    "file": write_file,
    "pattern": lambda root, content: f"{write_folder(root, content)}/*.png",
    "zip": lambda root, content: write_zip(root / "a.zip", {"a.png": content, "b.png": content}),
    "tar": lambda root, content: write_tar(root / "a.tar", {"a.png": content, "b.png": content}),
    "compressed tar": lambda root, content: write_tar(root / "a.tar.gz", {"a.png": content}),
    "folder of archives": write_folder_of_archives,
    "parquet": write_parquet,
    "saved data set": write_saved,
    "saved data set of text": write_saved_text,
    "remote file": write_remote,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_stamp_stays_until_the_content_changes(tmp_path: Path, monkeypatch: Any, kind: str) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    assert len(FIRST) == len(SECOND)
    source = WRITERS[kind](tmp_path, FIRST)
    before = stamps(source)
    assert all(before.values())
    assert stamps(source) == before
    WRITERS[kind](tmp_path, SECOND)
    after = stamps(source)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())


def test_members_and_rows_have_stamps_of_their_own(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.png": FIRST, "b.png": FIRST})
    assert len(set(stamps(tar).values())) == 2
    assert len(set(stamps(write_parquet(tmp_path, FIRST)).values())) == 2


def test_an_archive_that_is_packed_again_is_the_same(tmp_path: Path) -> None:
    before = stamps(write_zip(tmp_path / "a.zip", {"a.png": FIRST}))
    again = write_zip(tmp_path / "a.zip", {"a.png": FIRST, "b.png": SECOND})
    os.utime(again, ns=(1, 1))
    assert stamps(again)["a.png"] == before["a.png"]


def test_a_server_tells_when_a_file_changes(tmp_path: Path) -> None:
    path = write_file(tmp_path, FIRST)
    url = f"file://{path}"
    before = stamps(url)
    assert stamps(url) == before
    os.utime(path, ns=(10**9, 10**9))
    assert stamps(url) != before


def test_a_broken_link_has_a_stamp_that_stays(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, FIRST)
    (folder / "gone.png").symlink_to("nowhere")
    assert stamps(folder) == stamps(folder)
    assert stamps(folder)["gone.png"]


def test_what_is_in_memory_may_be_another_each_time() -> None:
    poems = Poems(["a poem", "another"])
    assert all(stamps(poems).values())
    assert not set(stamps(poems).values()) & set(stamps(poems).values())


class Poems:
    def __init__(self, poems: list[str]) -> None:
        self.poems = poems

    def __len__(self) -> int:
        return len(self.poems)

    def __getitem__(self, place: int) -> str:
        return self.poems[place]
