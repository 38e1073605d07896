"""Files that share a name up to its first dot: WebDataset shards, and captions beside pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weft.preparation.collect import collect

from .conftest import captions, contents, png, wav, write_tar, write_zip


def test_a_shard(tmp_path: Path) -> None:
    shard = write_tar(
        tmp_path / "000.tar",
        {
            "000.jpg": png(0), "000.txt": b" a red bicycle\n", "000.json": b'{"width": 4, "license": "CC0"}',
            "001.jpg": png(1), "001.cls": b"7", "001.json": b"[1]",
            "d/002.seg.png": png(2), "d/002.txt": "é".encode(),
        },
    )  # fmt: skip
    found = collect([shard])
    assert {item.name: dict(item.metadata) for item in found.items} == {
        "000.jpg": {"text": "a red bicycle", "width": "4", "license": "CC0"},
        "001.jpg": {"label": "7"},
        "d/002.seg.png": {"text": "é"},
    }
    assert captions(shard) == {"000.jpg": "a red bicycle", "001.jpg": "7", "d/002.seg.png": "é"}
    assert [item.license for item in found.items] == ["CC0", None, None]
    assert (found.tables.used, found.tables.broken) == (4, 1)
    assert contents(shard)["001.jpg"] == png(1)


def test_a_shard_of_content_that_core_does_not_know(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "000.tar", {"0.mid": b"0", "0.txt": b"slow", "1.mid": b"1", "1.txt": b"fast"})
    assert captions(shard) == {"0.mid": "slow", "1.mid": "fast"}


def test_shards_of_text_are_read_as_text(tmp_path: Path) -> None:
    texts = {"0.txt": b"one", "0.json": b"{}", "1.txt": b"two", "1.json": b"{}"}
    assert contents(write_tar(tmp_path / "000.tar", texts)) == texts
    code = {"main.c": b"int", "main.txt": b"notes", "README_first.txt": b"read"}
    assert contents(write_tar(tmp_path / "code.tar", code)) == code


def test_shards_in_a_folder(make: Any) -> None:
    source = make({"notes.x": ""})
    for number in range(2):
        write_tar(source / f"{number:03d}.tar", {"0.png": png(number), "0.txt": f"caption {number}".encode()})
    assert captions(source) == {"000.tar/0.png": "caption 0", "001.tar/0.png": "caption 1", "notes.x": None}


def test_captions_beside_pictures_and_recordings(make: Any, tmp_path: Path) -> None:
    files = {"a.png": png(0), "a.txt": b"first", "b/c.wav": wav(1), "b/c.txt": b"spoken", "b/notes.txt": b"notes"}
    assert captions(make(files)) == {"a.png": "first", "b/c.wav": "spoken", "b/notes.txt": "b"}
    assert captions(write_zip(tmp_path / "a.zip", files)) == captions(make(files))


def test_a_table_has_the_last_word(make: Any) -> None:
    source = make({"a.png": png(), "a.txt": "beside", "captions.csv": "file_name,text\na.png,table\n"})
    assert captions(source) == {"a.png": "table"}


def test_a_long_text_is_no_caption(make: Any) -> None:
    assert set(contents(make({"a.png": png(), "a.txt": "word " * 300_000}))) == {"a.png", "a.txt"}


def test_rows_of_json_are_text(tmp_path: Path) -> None:
    row = {"caption": "a cat", "score": 0.5, "tags": ["x", "é"], "none": None}
    shard = write_tar(tmp_path / "0.tar", {"0.png": png(), "0.json": json.dumps(row).encode()})
    (item,) = collect([shard]).items
    assert item.metadata == {"caption": "a cat", "score": "0.5", "tags": '["x", "é"]'}
