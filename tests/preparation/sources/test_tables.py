"""Tables that name files, hold them, or are only text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.preparation.collect import collect
from weft.preparation.infer import infer_modality, rejection

from .conftest import captions, contents, png, wav, write_zip


def parquet(path: Path, columns: dict[str, Any], **given: Any) -> Path:
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **given)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize("column", ["path", "file_name", "image_file_name", "audio_path"])
def test_a_table_with_paths_is_an_item_for_each_row(make: Any, name: str, column: str) -> None:
    source = make({"cat/1.x": "one", "2.x": "two", "unlisted.x": ""})
    rows = [{column: "cat/1.x", "text": "first"}, {column: "2.x", "text": "second"}]
    write_table(source / name, rows)
    assert contents(source / name) == {"cat/1.x": b"one", "2.x": b"two"}
    assert captions(source / name) == {"cat/1.x": "first", "2.x": "second"}
    assert captions(source) == {"cat/1.x": "first", "2.x": "second", "unlisted.x": None}
    assert {item.source for item in collect([source / name]).items} == {str(source / name)}


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        sign = "," if path.suffix == ".csv" else "\t"
        path.write_text("".join(sign.join(row) + "\n" for row in [list(rows[0]), *(row.values() for row in rows)]))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_table_of_text_is_one_item(make: Any, name: str) -> None:
    source = make({"a.x": ""})
    write_table(source / name, [{"text": "roses are red", "path": "elsewhere.x"}, {"text": "a.x", "path": "b"}])
    assert list(contents(source / name)) == [name]
    assert sorted(contents(source)) == ["a.x", name]


def test_a_table_reaches_nothing_outside_its_folder(make: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.x").write_text("secret")
    rows = ["path", "a.x", "../secret.x", str(tmp_path / "secret.x"), "sub/../../secret.x"]
    source = make({"a.x": "a", "t.csv": "\n".join(rows)})
    found = collect([source / "t.csv"])
    assert [item.name for item in found.items] == ["a.x"]
    assert found.tables.unmatched == 3


def test_rows_that_are_left_out_are_named(make: Any) -> None:
    source = make({"a.x": "", "sub/metadata.csv": "file_name,text\n../a.x,1\n../a.x,2\ngone.x,3\nlost.x,4\n,5\n"})
    found = collect([source])
    assert list(found.warnings) == [
        "rows of sub/metadata.csv that describe a file that an earlier row describes are left out: 1, for example a.x",
        "rows of sub/metadata.csv that name a file that is not there are left out: 2, for example sub/gone.x",
        "rows of sub/metadata.csv that cannot be read or name no file are left out: 1",
    ]
    counts = found.tables
    assert (counts.used, counts.repeated, counts.unmatched, counts.broken) == (1, 1, 2, 1)


def test_a_table_whose_columns_are_misnamed_gets_a_warning(make: Any, registry: Any) -> None:
    source = make({"a.mel": "1 2", "labels.csv": "file,caption\na.mel,first\n"})
    found = collect([source])
    reason = rejection(found.items[1], "melody", registry)
    assert reason is not None
    assert reason.code == "misnamed-column"
    (warning,) = found.warnings
    for part in ("labels.csv", "'file'", "file, caption", "'file_name'"):
        assert part in warning
    assert infer_modality(found.items, registry) == "melody"


def test_a_row_may_name_several_files(make: Any) -> None:
    rows = [
        {"before_file_name": "a.x", "after_file_name": "b.x", "text": "sharpened"},
        {"file_names": ["c.x", "d.x"], "text": "both"},
    ]
    source = make(
        {**dict.fromkeys(["a.x", "b.x", "c.x", "d.x"], ""), "metadata.jsonl": "\n".join(map(json.dumps, rows))}
    )
    assert captions(source) == {"a.x": "sharpened", "b.x": "sharpened", "c.x": "both", "d.x": "both"}
    assert collect([source]).tables.used == 2


HUGGING_FACE = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}


@pytest.mark.parametrize("row_group_size", [1, 2, 100])
def test_parquet_with_pictures_inside(tmp_path: Path, row_group_size: int) -> None:
    images = [{"bytes": png(number), "path": f"{number}.png"} for number in range(5)]
    table = pa.table({"image": images, "label": [0, 1, 0, 1, None], "text": ["a", "b", None, "", "e"]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(HUGGING_FACE)})
    path = parquet(tmp_path / "train.parquet", table, row_group_size=row_group_size)
    assert contents(path) == {f"{number}.png": png(number) for number in range(5)}
    assert captions(path) == {"0.png": "a", "1.png": "b", "2.png": "cat", "3.png": "dog", "4.png": "e"}
    assert captions(tmp_path)["train.parquet/2.png"] == "cat"
    assert all(item.size > 0 for item in collect([path]).items)


def test_parquet_without_names(make: Any) -> None:
    source = make({"own.x": ""})
    parquet(source / "t.parquet", {"data": [wav(1), wav(2)], "n": [1, 2]})
    parquet(source / "u.parquet", {"image": [{"bytes": png(1), "path": None}], "mask": [{"bytes": png(2), "path": ""}]})
    assert contents(source) == {
        "own.x": b"",
        "t.parquet/000000.wav": wav(1),
        "t.parquet/000001.wav": wav(2),
        "u.parquet/000000.image.png": png(1),
        "u.parquet/000000.mask.png": png(2),
    }
    assert set(captions(source).values()) == {None}


def test_equal_names_and_empty_cells(tmp_path: Path) -> None:
    images = [
        {"bytes": png(1), "path": "x.png"},
        {"bytes": png(2), "path": "d/x.png"},
        {"bytes": None, "path": "y.png"},
    ]
    items = collect([parquet(tmp_path / "t.parquet", {"image": images})]).items
    assert [item.name for item in items] == ["x (2).png", "x.png", "y.png"]
    assert [item.read_bytes() for item in items[:2]] == [png(2), png(1)]
    with pytest.raises(OSError, match="row 2 has nothing in the column image"):
        items[2].read_bytes()


def test_parquet_of_bytes_that_are_nothing_known_is_one_item(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"key": [b"\x00\x01"], "text": ["a poem"]})
    assert list(contents(path)) == ["t.parquet"]
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more PAR1")
    assert sorted(contents(tmp_path)) == ["broken.parquet", "t.parquet"]


def test_tables_in_an_archive(make: Any, tmp_path: Path) -> None:
    source = make({})
    data = parquet(tmp_path / "t.parquet", {"image": [{"bytes": png(3), "path": "3.png"}]}).read_bytes()
    files = {"a.x": b"a", "list.tsv": b"path\ttext\na.x\tinside\n", "t.parquet": data}
    path = write_zip(tmp_path / "a.zip", files)
    assert source.parent == tmp_path
    assert captions(path) == {"a.x": "inside", "t.parquet/3.png": None}
    assert contents(path)["t.parquet/3.png"] == png(3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text(max_size=5)), min_size=1, max_size=30), st.integers(1, 7))
def test_every_row_is_an_item(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bool, str]], group: int
) -> None:
    images = [{"bytes": png(place) if full else None, "path": None} for place, (full, _) in enumerate(rows)]
    table = {"image": images, "text": [text for _, text in rows]}
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table["image"] = pa.array(images, kind)
    path = parquet(tmp_path_factory.mktemp("rows") / "t.parquet", table, row_group_size=group)
    items = collect([path]).items
    if not any(full for full, _ in rows):
        assert [item.name for item in items] == ["t.parquet"]
        return
    assert len(items) == len(rows)
    for place, (item, (full, text)) in enumerate(zip(items, rows, strict=True)):
        assert item.metadata["text"] == text
        if full:
            assert item.read_bytes() == png(place)
