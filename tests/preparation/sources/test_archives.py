"""Archives, named and found in folders."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import SourceError
from weft.interfaces.source import SourceLimits
from weft.preparation.collect import collect
from weft.preparation.infer import rejection
from weft.preparation.sources import spooling

from .conftest import captions, contents, png, read, write_tar, write_zip

FILES = {"cat/1.x": b"one", "cat/2.x": b"two", "3.x": b"", "deep/er/4.x": b"four" * 999}
TARS = ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"]
member_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda name: not name.endswith("/")
)


def write(path: Path, files: dict[str, bytes]) -> Path:
    return write_zip(path, files) if path.suffix == ".zip" else write_tar(path, files)


@pytest.mark.parametrize("name", ["a.zip", "A.ZIP", *TARS])
def test_an_archive_is_a_folder_in_one_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (write_zip if name.lower().endswith("zip") else write_tar)(path, FILES)
    assert contents(path) == FILES
    assert captions(path)["cat/1.x"] == "cat"
    assert captions(path)["3.x"] is None
    assert {item.source for item in collect([path]).items} == {str(path)}
    assert {item.name: item.size for item in collect([path]).items} == {name: len(data) for name, data in FILES.items()}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_in_a_folder_is_a_folder_of_its_name(make: Any, name: str) -> None:
    source = make({"own.x": "own"})
    write(source / name, {**FILES, "metadata.csv": b"file_name,text\n3.x,third\n"})
    assert contents(source) == {"own.x": b"own", **{f"{name}/{member}": data for member, data in FILES.items()}}
    assert captions(source)[f"{name}/3.x"] == "third"
    assert captions(source)[f"{name}/cat/2.x"] == "cat"
    write(source / name, {"3.x": b""})
    assert captions(source)[f"{name}/3.x"] is None


def test_what_is_auxiliary_in_an_archive(tmp_path: Path) -> None:
    files = {"a.x": b"", "__MACOSX/a.x": b"", "__MACOSX/._b.x": b"", "README.md": b"", "d/.hidden": b"", ".git/x": b""}
    found = collect([write_zip(tmp_path / "a.zip", files)])
    assert [item.name for item in found.items] == ["a.x"]
    assert sorted(found.auxiliary_names) == [".git", "README.md", "__MACOSX", "d/.hidden"]
    assert found.auxiliary == 4


def test_archives_with_equal_names_inside_are_told_apart(tmp_path: Path) -> None:
    one, two = write_zip(tmp_path / "one.zip", {"1.x": b"1"}), write_zip(tmp_path / "two.zip", {"1.x": b"2"})
    assert contents(one, two) == {"one.zip:1.x": b"1", "two.zip:1.x": b"2"}


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.x", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.x", b"second")
    assert contents(path) == {"a.x": b"first", "a (2).x": b"second"}


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_paths_out_of_the_archive_are_only_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.x").write_bytes(b"secret")
    tricks = {"../secret.x": b"1", "/etc/passwd.x": b"2", "C:\\windows\\a.x": b"3", "a/../../b.x": b"4"}
    path = write(tmp_path / name, tricks)
    assert contents(path) == {"secret.x": b"1", "etc/passwd.x": b"2", "windows/a.x": b"3", "a/b.x": b"4"}
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "secret.x"])


def test_links_and_devices_in_a_tar_file_lead_nowhere(tmp_path: Path, registry: Any) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "s.mel"), (tarfile.LNKTYPE, "l.mel"), (tarfile.CHRTYPE, "c.mel")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("a.mel"), io.BytesIO())
    reasons = {item.name: rejection(item, "melody", registry) for item in collect([path]).items}
    assert {name: reason and reason.code for name, reason in reasons.items()} == {
        "a.mel": None, "s.mel": "not-a-file", "l.mel": "not-a-file", "c.mel": "not-a-file",
    }  # fmt: skip


def test_encrypted_members_are_turned_away(tmp_path: Path, registry: Any) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.mel": b"1 2", "b.mel": b"1 2"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    first, second = (rejection(item, "melody", registry) for item in collect([path]).items)
    assert first is not None
    assert (first.code, "password" in first.detail) == ("encrypted", True)
    assert second is None


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (SourceLimits(), "bomb"),
        (SourceLimits(ratio=5000), None),
        (SourceLimits(ratio=5000, member_bytes=1000), "too-large"),
    ],
)
def test_a_bomb_is_one_item(tmp_path: Path, registry: Any, limits: SourceLimits, code: str | None) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.mel": bytes(5_000_000), "b.mel": b"1 2"})
    first, second = (rejection(item, "melody", registry) for item in collect([path], limits=limits).items)
    assert (first and first.code) == code
    assert second is None


def test_limits_of_whole_archives(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make({"a.x": ""})
    write_zip(source / "many.zip", {str(number): b"" for number in range(9)})
    with pytest.raises(SourceError, match="9 members, and 8 are allowed"):
        collect([source / "many.zip"], limits=SourceLimits(members=8))
    write_tar(source / "many.tar", {str(number): b"" for number in range(9)})
    with pytest.raises(SourceError, match="more than the 8 members"):
        collect([source / "many.tar"], limits=SourceLimits(members=8))
    monkeypatch.setattr("weft.preparation.sources.tarred.SMALL", 1000)
    write_tar(source / "zeros.tar.gz", {"zeros": bytes(5_000_000)})
    with pytest.raises(SourceError, match=r"zeros.tar.gz is of no use: .* unpacks to more than"):
        collect([source / "zeros.tar.gz"])
    # In a folder, such an archive is one item that fails.
    names = {item.name for item in collect([source], limits=SourceLimits(members=8)).items}
    assert names == {"a.x", "many.zip", "many.tar", "zeros.tar.gz"}


@pytest.mark.parametrize("name", ["a.zip", *TARS])
def test_what_is_no_archive_is_a_sentence(make: Any, registry: Any, name: str) -> None:
    source = make({name: b"nothing of the kind" * 99, "a.mel": ""})
    with pytest.raises(SourceError, match=rf"{name} is of no use: it cannot be read as a (zip|tar) archive: ."):
        collect([source / name])
    reasons = {item.name: rejection(item, "melody", registry) for item in collect([source]).items}
    assert reasons["a.mel"] is None
    reason = reasons[name]
    assert reason is not None
    assert reason.code == "unreadable"


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 400), noise=st.binary(max_size=20), suffix=st.sampled_from([".zip", ".tar", ".tar.gz"]))
def test_a_damaged_archive_costs_no_more_than_itself(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "own.x").write_bytes(b"own")
    path = write(folder / f"a{suffix}", {"1.x": b"one" * 50, "2.x": png(2)})
    data = path.read_bytes()
    path.write_bytes(data[:cut] + noise + data[cut + len(noise) :])
    found = {item.name: item for item in collect([folder]).items}
    assert read(found.pop("own.x")) == b"own"
    assert found
    for item in found.values():
        # What a decoder raises is not foreseen; that it is an exception, and not a crash, is.
        with contextlib.suppress(Exception):
            read(item)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(member_names, st.binary(max_size=50), min_size=1, max_size=6), st.sampled_from([".zip", ".tar"]))
def test_every_member_is_an_item_or_auxiliary(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("names")
    (folder / "zz.own").write_bytes(b"own")
    write(folder / f"a{suffix}", files)
    found = collect([folder])
    meant = [name for name in files if set(re.split(r"[/\\]", name)) - {"", ".", ".."}]
    drives = [name for name in meant if re.match("[A-Za-z]:", name)]
    assert len(found.items) - 1 <= len(meant)
    if not found.auxiliary and not drives:
        assert len(found.items) - 1 == len(meant)
    for item in found.items:
        item.name.encode()
        read(item)


def test_large_members_do_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "IN_MEMORY", 10)
    for name in ("a.zip", "a.tar"):
        path = write(tmp_path / name, {"a.x": b"0123456789abc"})
        (item,) = collect([path]).items
        with item.open() as file:
            assert not isinstance(file, io.BytesIO)
            file.seek(3)
            assert file.read() == b"3456789abc"


def read_sizes(items: Any) -> list[int]:
    return [len(item.read_bytes()) for item in items]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_processes_share_an_archive_that_is_open(tmp_path: Path, name: str) -> None:
    files = {f"{number:03d}.x": bytes([number]) * (1 + 7 * number) for number in range(200)}
    items = collect([write(tmp_path / name, files)]).items
    assert read_sizes(items[:3]) == [1, 8, 15]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        halves = pool.map(read_sizes, [items[::2], items[1::2]] * 4)
    assert halves == [[1 + 7 * number for number in range(start, 200, 2)] for start in (0, 1)] * 4


def test_members_are_not_found_by_reading_the_archive_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{number}.x": b"x" for number in range(500)})
    opened: list[int] = []
    real = zipfile.ZipFile.__init__

    def counting(self: Any, *given: Any, **named: Any) -> None:
        opened.append(1)
        real(self, *given, **named)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counting)
    assert sum(read_sizes(collect([path]).items)) == 500
    assert len(opened) == 2
