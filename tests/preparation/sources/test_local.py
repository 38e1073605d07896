"""Files that change, folders without an end, names that are no text, and patterns."""

from __future__ import annotations

import io
import os
import time
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from weft.errors import OptionError, SourceError
from weft.interfaces.source import Source, SourceLimits
from weft.preparation.collect import collect
from weft.preparation.sources.entries import Entry, unique
from weft.preparation.sources.sidecars import with_sidecars

from .conftest import captions, contents, png, write_zip


def test_a_file_that_vanishes_costs_itself(make: Any) -> None:
    source = make({"a.x": "a", "b.x": "b"})
    first, second = collect([source]).items
    (source / "a.x").unlink()
    with pytest.raises(FileNotFoundError):
        first.read_bytes()
    assert second.read_bytes() == b"b"


def test_a_file_that_changed_after_it_was_listed_is_not_read(make: Any) -> None:
    source = make({"a.x": "a" * 100})
    (item,) = collect([source]).items
    with (source / "a.x").open("a") as file:
        file.write("more")
    with pytest.raises(OSError, match="still being written"):
        item.read_bytes()


def test_a_file_that_is_being_written_while_it_is_read(make: Any) -> None:
    source = make({"a.x": "a" * 500_000})
    (item,) = collect([source]).items
    with item.open() as file, (source / "a.x").open("a") as writer:
        assert file.read(10) == b"a" * 10
        writer.write("more")
        writer.flush()
        with pytest.raises(OSError, match="still being written"):
            file.read()
    os.utime(source / "a.x", ns=(1, 1))
    (item,) = collect([source]).items
    with item.open() as file:
        file.seek(0)
        (source / "a.x").write_bytes(b"b" * 500_004)
        with pytest.raises(OSError, match="still being written"):
            file.readline()


def test_an_archive_that_is_replaced(tmp_path: Path) -> None:
    (item,) = collect([write_zip(tmp_path / "a.zip", {"a.x": b"a" * 99})]).items
    write_zip(tmp_path / "a.zip", {"b.x": b"b" * 9999})
    with pytest.raises(OSError, match="still being written"):
        item.read_bytes()


def test_names_that_are_no_text(make: Any) -> None:
    source = make({"a.x": ""})
    Path(os.fsdecode(os.fsencode(source) + b"/\xff.x")).write_bytes(b"bytes")
    Path(os.fsdecode(os.fsencode(source) + b"/d\xfe")).mkdir()
    Path(os.fsdecode(os.fsencode(source) + b"/d\xfe/b.x")).write_bytes(b"inside")
    assert contents(source) == {"a.x": b"", "\\xff.x": b"bytes", "d\\xfe/b.x": b"inside"}


def test_links_that_lead_to_themselves(make: Any) -> None:
    source = make({"a.x": "a"})
    (source / "self").symlink_to("self")
    (source / "there").symlink_to("back")
    (source / "back").symlink_to("there")
    (source / "up").symlink_to("..")
    items = {item.name: item for item in collect([source]).items}
    assert sorted(items) == ["a.x", "back", "self", "there"]
    with pytest.raises(OSError, match="symbolic links"):
        items["self"].read_bytes()


def test_ten_thousand_empty_files(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05d}.x").write_bytes(b"")
    start = time.process_time()
    assert len(collect([tmp_path]).items) == 10_000
    assert time.process_time() - start < 5


def test_twenty_thousand_equal_names() -> None:
    entries = [Entry("a.x", Missing(), 0, "s"), *(Entry(f"a ({n}).x", Missing(), 0, "s") for n in range(2, 5))]
    entries += [entries[0]] * 20_000
    start = time.process_time()
    found = [entry.name for entry in unique(entries)]
    assert time.process_time() - start < 1
    assert found[:6] == ["a.x", "a (2).x", "a (3).x", "a (4).x", "a (5).x", "a (6).x"]
    assert len(set(found)) == 20_004


def test_twenty_thousand_rows_of_equal_names(tmp_path: Path) -> None:
    images = [{"bytes": png(0), "path": f"{number}/image.png"} for number in range(20_000)]
    pq.write_table(pa.table({"image": images}), tmp_path / "a.parquet")
    start = time.process_time()
    assert len({item.name for item in collect([tmp_path]).items}) == 20_000
    assert time.process_time() - start < 10


@pytest.mark.parametrize("sidecar", [[], ["a.txt"]])
def test_twenty_thousand_names_that_are_equal_up_to_the_first_dot(sidecar: list[str]) -> None:
    entries = [Entry(name, partial(io.BytesIO, b"a cat"), 5, "s") for name in sidecar]
    entries += [Entry(f"a.{number:05d}.png", Missing(), 0, "s") for number in range(20_000)]
    start = time.process_time()
    kept, counts = with_sidecars(entries)
    assert time.process_time() - start < 1
    assert (len(kept), counts.used) == (20_000, len(sidecar))
    assert {entry.row.get("text") for entry in kept} == ({"a cat"} if sidecar else {None})


class Missing:
    """Opens nothing."""

    def __call__(self) -> BinaryIO:
        raise FileNotFoundError


def test_a_folder_that_may_not_be_read(make: Any) -> None:
    source = make({"a.x": "", "locked/b.x": ""})
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    (source / "locked").chmod(0)
    with pytest.raises(SourceError, match="locked cannot be read"):
        collect([source])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.x", {"a.x": None, "cat/b.x": "cat", "cat/wild/c.x": "wild"}),
        ("**", {"a.x": None, "cat/b.x": "cat", "cat/wild/c.x": "wild", "cat/d.y": "cat"}),
        ("*.x", {"a.x": None}),
        ("c*", {"cat/b.x": "cat", "cat/wild/c.x": "wild", "cat/d.y": "cat"}),
        ("cat/[bd].?", {"b.x": None, "d.y": None}),
    ],
)
def test_patterns(make: Any, monkeypatch: pytest.MonkeyPatch, pattern: str, found: dict[str, str | None]) -> None:
    source = make(dict.fromkeys(["a.x", "cat/b.x", "cat/wild/c.x", "cat/d.y", ".hidden.x"], ""))
    assert captions(f"{source}/{pattern}") == found
    monkeypatch.chdir(source)
    assert captions(pattern) == found
    assert {item.source for item in collect([pattern]).items} == {pattern}


def test_a_pattern_that_matches_nothing(make: Any) -> None:
    with pytest.raises(SourceError, match=r"nothing matches the pattern .*\*\.nothing"):
        collect([f"{make({'a.x': ''})}/*.nothing"])


def test_a_file_whose_name_is_a_pattern_is_a_file(make: Any) -> None:
    source = make({"a[1].x": "one", "a1.x": "other"})
    assert contents(f"{source}/a[1].x") == {"a[1].x": b"one"}


def test_what_is_known_of_sources(make: Any) -> None:
    one = make({"1.x": "", "2.x": "", "metadata.csv": "file_name,license\n1.x,MIT\n"}, folder="one")
    two = make({"3.x": "", "4.x": ""}, folder="two")
    given = [
        Source(one, license="CC0", origin="https://example.org"),
        Source(two / "4.x", weight=0.5, license="GPL"),
        Source(str(two / "3.x"), 2.0),
    ]
    found = collect(given)
    assert [item.license for item in found.items] == ["MIT", "CC0", None, "GPL"]
    assert list(found.source_of) == [0, 0, 2, 1]
    assert [(each.location, each.weight, each.license, each.origin, each.items) for each in found.sources] == [
        (str(one), 1.0, "CC0", "https://example.org", 2),
        (str(two / "4.x"), 0.5, "GPL", None, 1),
        (str(two / "3.x"), 2.0, None, None, 1),
    ]


@pytest.mark.parametrize("weight", [0, -1, 0.009, 101, float("nan"), float("inf")])
def test_a_weight_is_in_proportion(weight: float) -> None:
    with pytest.raises(OptionError, match=r"the weight of photos must be 0\.01 to 100"):
        Source("photos", weight)


def test_a_limit_is_a_positive_number() -> None:
    with pytest.raises(OptionError, match="ratio"):
        SourceLimits(ratio=0)


@pytest.mark.parametrize("location", [None, 7, {"a": 1}, b"bytes", Path])
def test_what_is_no_source_at_all(location: Any) -> None:
    with pytest.raises(SourceError, match="nothing can be read from a source of type"):
        collect([location])
