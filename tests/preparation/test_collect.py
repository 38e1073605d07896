"""From sources to items."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import SourceError
from weft.preparation.annotations import Annotations, read_annotations
from weft.preparation.collect import collect, printable_name


def names(*sources: Path) -> list[str]:
    return [item.name for item in collect(sources).items]


def captions(*sources: Path) -> dict[str, str | None]:
    return {item.name: item.caption() for item in collect(sources).items}


def test_folders_are_read_to_the_bottom_in_order(write: Any) -> None:
    source = write({"b.x": "1", "a/z.x": "", "a/b/c.x": "", "ü 語.x": "", "B.x": ""})
    items = collect([source]).items
    assert [item.name for item in items] == ["B.x", "a/b/c.x", "a/z.x", "b.x", "ü 語.x"]
    assert items[3].read_bytes() == b"1"
    assert (items[3].size, items[3].source) == (1, str(source))


def test_what_is_no_item(write: Any) -> None:
    source = write({
        "a.x": "", ".hidden": "", ".git/config": "", "README.md": "", "readme": "", "LICENSE": "", "Licence.txt": "",
        "sub/README.rst": "", "sub/License.HTML": "", "__MACOSX/a.x": "", "__MACOSX/b.x": "", "Thumbs.db": "",
        "desktop.ini": "",
    })  # fmt: skip
    found = collect([source])
    assert [item.name for item in found.items] == ["a.x"]
    assert found.auxiliary == 11


def test_what_only_sounds_like_a_readme_or_a_license_is_an_item(write: Any) -> None:
    files = sorted([
        "LICENSE-MIT", "LICENSED.jpg", "License.to.kill.txt", "README_final_photo.jpg", "README_first.txt",
        "licence/a.x", "license-plate-042.jpg", "license-plates/a.x", "license_to_kill.txt", "readme-cover.png",
        "readme.jpg", "readme.md/a.x", "readmes.txt",
    ])  # fmt: skip
    found = collect([write(dict.fromkeys(files, ""))])
    assert [item.name for item in found.items] == files
    assert found.auxiliary == 0


def test_a_file_that_is_named_is_always_taken(write: Any) -> None:
    source = write({"README.md": "", ".notes.x": ""})
    assert names(source / "README.md", source / ".notes.x") == [".notes.x", "README.md"]


def test_files_of_a_shell_pattern_are_read_together(write: Any) -> None:
    source = write({
        "a.x": "", "b.x": "", "c.x": "", "README.md": "", "LICENSE": "",
        "metadata.csv": "file_name,text,license\na.x,first,CC0\nabsent.x,none,\n",
        "labels.csv": "file_name,label\nb.x,2\n",
    })  # fmt: skip
    found = collect(sorted(source.iterdir()))
    assert {item.name: item.caption() for item in found.items} == {"a.x": "first", "b.x": "2", "c.x": None}
    assert [item.license for item in found.items] == ["CC0", None, None]
    assert [item.source for item in found.items] == [str(source / name) for name in ("a.x", "b.x", "c.x")]
    assert (found.tables.used, found.tables.unmatched, found.auxiliary) == (2, 1, 2)


def test_a_table_describes_no_file_of_another_folder_and_is_not_looked_for(write: Any) -> None:
    one = write({"a.x": "", "metadata.csv": "file_name,text\na.x,one\n"}, folder="one")
    two = write({"a.x": "", "b.x": ""}, folder="two")
    assert captions(one / "metadata.csv", one / "a.x", two / "a.x") == {"one:a.x": "one", "two:a.x": None}
    assert captions(one / "a.x", two / "b.x") == {"a.x": None, "b.x": None}


def test_a_table_of_text_or_a_readme_alone_is_an_item(write: Any) -> None:
    source = write({"metadata.csv": "file_name,text\ngone.x,one\n", "README.md": "", "a.x": ""})
    assert names(source / "metadata.csv") == ["metadata.csv"]
    assert names(source / "README.md") == ["README.md"]


def test_a_pattern_with_folders(write: Any) -> None:
    source = write({"a.x": "", "cat/b.x": "", "cat/c/d.x": "", "metadata.csv": "file_name,text\na.x,one\n"})
    assert captions(*sorted(source.iterdir())) == {"a.x": "one", "b.x": None, "c/d.x": "c"}


@pytest.mark.parametrize("files", [{}, {"README.md": "", ".x": ""}, {"metadata.csv": "file_name,text\na.x,b\n"}])
def test_nothing_to_read(write: Any, tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(SourceError, match="there are no files to read"):
        collect([write(files)])


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        collect([tmp_path / "absent"])
    with pytest.raises(SourceError, match="no source"):
        collect([])


def test_links_are_followed_but_not_for_ever(write: Any, tmp_path: Path) -> None:
    source = write({"a/b.x": "b"})
    write({"c.x": "c"}, folder="outside")
    (source / "a" / "loop").symlink_to(source)
    (source / "again").symlink_to(source / "a")
    (source / "out").symlink_to(tmp_path / "outside")
    (source / "link.x").symlink_to(source / "a" / "b.x")
    (source / "broken.x").symlink_to(source / "absent")
    items = {item.name: item for item in collect([source]).items}
    assert sorted(items) == ["a/b.x", "broken.x", "link.x", "out/c.x"]
    with pytest.raises(FileNotFoundError):
        items["broken.x"].read_bytes()


def test_a_pipe_does_not_hang(write: Any) -> None:
    source = write({"a.x": ""})
    os.mkfifo(source / "pipe.x")
    items = {item.name: item for item in collect([source]).items}
    with pytest.raises(OSError, match="not a regular file"):
        items["pipe.x"].read_bytes()


def test_sources_with_equal_names_are_told_apart(write: Any) -> None:
    one = write({"1.x": "", "cat/1.x": ""}, folder="one/train")
    two = write({"1.x": "", "cat/1.x": "", "2.x": ""}, folder="two/train")
    assert captions(one, two) == {
        "train:1.x": None,
        "train/cat/1.x": "cat",
        "train-2:1.x": None,
        "train-2/cat/1.x": "cat",
        "train-2:2.x": None,
    }
    assert len({item.name for item in collect([one / "1.x", two / "1.x", one]).items}) == 4


def test_sources_with_different_names_keep_them(write: Any) -> None:
    assert names(write({"1.x": ""}, folder="one"), write({"2.x": ""}, folder="two")) == ["1.x", "2.x"]


def spellings(folder: str, name: str) -> list[str]:
    return [f"{folder}/{name}", f"./{folder}/{name}", f"{folder}//{name}", f"./././{folder}/./{name}"]


@pytest.mark.parametrize("spelled", ["one", "./one", "one/", "one//", "./one/."])
def test_a_folder_has_one_location_however_it_is_spelled(write: Any, monkeypatch: Any, spelled: str) -> None:
    monkeypatch.chdir(write({"a.x": ""}, folder="one").parent)
    found = collect([spelled])
    assert [each.location for each in found.sources] == [found.items[0].source] == ["one"]


def test_every_item_names_its_source_as_the_manifest_does(write: Any, monkeypatch: Any) -> None:
    root = write({"a.x": "", "b.x": "", "c.x": "", "d.x": "", "README.md": ""}, folder="one").parent
    write({"e.x": "", "f/g.x": ""}, folder="two")
    monkeypatch.chdir(root)
    files = [spellings("one", name)[place] for place, name in enumerate(("a.x", "b.x", "c.x", "d.x"))]
    found = collect([*files, Path("one/README.md"), "./two/", f"{root}/two/f", "one/*.x"])
    assert [each.location for each in found.sources] == [
        "one/a.x", "one/b.x", "one/c.x", "one/d.x", "one/README.md", "two", f"{root}/two/f", "one/*.x",
    ]  # fmt: skip
    assert [each.items for each in found.sources] == [1, 1, 1, 1, 0, 2, 1, 4]
    for item, place in zip(found.items, found.source_of, strict=True):
        assert item.source == found.sources[place].location


def test_files_of_the_folder_one_is_in(write: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(write({"a.x": "1", "b.x": "2"}))
    found = collect(["./a.x", "b.x"])
    assert [(item.name, item.source, item.read_bytes()) for item in found.items] == [
        ("a.x", "a.x", b"1"),
        ("b.x", "b.x", b"2"),
    ]


@pytest.mark.parametrize(("one", "other"), [("s", "s"), ("s", "./s/"), ("s/a.x", "s//a.x"), ("s", "t/../s")])
def test_a_source_that_is_given_twice(write: Any, monkeypatch: Any, one: str, other: str) -> None:
    write({"b.x": ""}, folder="t")
    root = write({"a.x": ""}, folder="s").parent
    monkeypatch.chdir(root)
    with pytest.raises(SourceError, match=r"the source .+ is given twice; name it once"):
        collect([one, other])
    with pytest.raises(SourceError, match="given twice"):
        collect([one, root / one])


def test_a_link_is_a_source_of_its_own(write: Any) -> None:
    source = write({"a.x": ""})
    (source / "b.x").symlink_to("a.x")
    assert names(source / "a.x", source / "b.x") == ["a.x", "b.x"]


def test_tables_of_all_kinds(write: Any) -> None:
    source = write({
        "a.x": "", "sub/b.x": "", "sub/c.x": "", "deep/d.x": "", "e.x": "", "metadata.txt": "",
        "metadata.csv": "\ufefffile_name,caption\r\na.x,first\r\n./sub/../deep/d.x,deep\r\n",
        "sub/metadata.jsonl": '{"file_name": "b.x", "label": 3}\n\n{"file_name": "c.x", "text": null}\nbroken\n[1]\n',
        "captions.csv": "file_name,text\na.x,second\n/etc/passwd,no\n../e.x,no\n",
        "labels.csv": "file_name,label\ne.x,yes\n",
    })  # fmt: skip
    found = collect([source])
    assert {item.name: item.metadata for item in found.items} == {
        "a.x": {"file_name": "a.x", "text": "second"},
        "deep/d.x": {"file_name": "./sub/../deep/d.x", "caption": "deep"},
        "e.x": {"file_name": "e.x", "label": "yes"},
        "metadata.txt": {},
        "sub/b.x": {"file_name": "b.x", "label": "3"},
        "sub/c.x": {"file_name": "c.x"},
    }
    counts = found.tables
    assert (counts.used, counts.unmatched, counts.repeated, counts.broken) == (5, 2, 1, 2)


def test_names_match_in_any_unicode_form(write: Any) -> None:
    source = write({"u\u0308.x": "", "metadata.csv": "file_name,text\n\u00fc.x,umlaut\n"})
    assert list(captions(source).values()) == ["umlaut"]


@pytest.mark.parametrize(
    "table",
    [
        {"poems.jsonl": '{"text": "a"}\n'},
        {"poems.jsonl": '{"file_name": "elsewhere.x"}\n'},
        {"metadata.jsonl": '{"text": "a"}\n'},
        {"metadata.csv": "name,text\na.x,b\n"},
        {"table.csv": ""},
    ],
)
def test_tables_that_name_no_files_are_items(write: Any, table: dict[str, str]) -> None:
    assert names(write({"a.x": "", **table})) == sorted(["a.x", *table])


@settings(max_examples=60)
@given(data=st.binary(max_size=120), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_no_table_is_too_broken(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"table{suffix}"
    path.write_bytes(b"file_name,text\na.x,b\n" + data if suffix == ".csv" else b'{"file_name": "a.x"}\n' + data)
    notes = Annotations()
    read_annotations(partial(path.open, "rb"), path.name, {"a.x"}, notes)
    assert "a.x" in notes.rows
    assert notes.tables == {path.name}


@given(st.binary(max_size=20).filter(lambda name: b"\0" not in name))
def test_any_name_can_be_printed(name: bytes) -> None:
    printable_name(os.fsdecode(name)).encode("utf-8")
