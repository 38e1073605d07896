"""URLs: files in memory, and a real server."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from weft.errors import SourceError
from weft.interfaces.source import SourceLimits
from weft.preparation.collect import collect
from weft.preparation.sources import url as url_module

from .conftest import captions, contents, png, read, write_tar, write_zip


@pytest.fixture
def memory() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and asks for a password where a name says so."""

    def do_HEAD(self) -> None:
        if "endless" in self.path:
            self.send_response(200)
            self.end_headers()
        else:
            super().do_HEAD()

    def do_GET(self) -> None:
        if "secret" in self.path:
            self.send_error(401)
        elif "endless" in self.path:
            # Without its length, as a page that is made on the way; it ends where the connection does.
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 3_000_000)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(make: Any) -> Iterator[tuple[str, Path]]:
    folder = make({"ü 1.x": "one", "cat/2.x": "two", "README.md": "", "metadata.csv": "file_name,text\nü 1.x,first\n"})
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


def test_files_in_memory(memory: Any) -> None:
    files = {"cat/1.x": b"one", "2.x": b"", "README.md": b"", "captions.csv": b"file_name,text\n2.x,second\n"}
    for name, data in files.items():
        memory.pipe(f"/data/{name}", data)
    assert contents("memory://data") == {"cat/1.x": b"one", "2.x": b""}
    assert captions("memory://data/") == {"cat/1.x": "cat", "2.x": "second"}
    assert contents("memory://data/cat/1.x") == {"1.x": b"one"}
    assert contents("memory://data/**/*.x") == {"cat/1.x": b"one", "2.x": b""}
    found = collect(["memory://data"])
    assert [item.size for item in found.items] == [0, 3]
    assert ({item.source for item in found.items}, found.auxiliary_names) == ({"memory://data"}, ["README.md"])


def test_archives_and_tables_in_memory(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/data/a.zip", write_zip(tmp_path / "a.zip", {"cat/1.x": b"one"}).read_bytes())
    memory.pipe("/data/0.tar.gz", write_tar(tmp_path / "0.tar.gz", {"0.png": png(), "0.txt": b"zero"}).read_bytes())
    memory.pipe("/list/t.csv", b"path,text\nd/1.x,first\n../data/a.zip,no\n")
    memory.pipe("/list/d/1.x", b"one")
    assert contents("memory://data/a.zip") == {"cat/1.x": b"one"}
    assert captions("memory://data") == {"a.zip/cat/1.x": "cat", "0.tar.gz/0.png": "zero"}
    assert captions("memory://list/t.csv") == {"d/1.x": "first"}


def test_a_server(server: tuple[str, Path]) -> None:
    url, folder = server
    assert contents(f"{url}/") == {"ü 1.x": b"one", "cat/2.x": b"two"}
    assert captions(f"{url}/") == {"ü 1.x": "first", "cat/2.x": "cat"}
    assert contents(f"{url}/cat/2.x") == {"2.x": b"two"}
    assert {item.name: item.size for item in collect([f"{url}/"]).items} == {"ü 1.x": 3, "cat/2.x": 3}
    write_zip(folder / "a.zip", {"3.x": b"three"})
    assert contents(f"{url}/a.zip") == {"3.x": b"three"}


def test_a_file_that_vanishes_from_the_server(server: tuple[str, Path]) -> None:
    url, folder = server
    items = {item.name: item for item in collect([f"{url}/"]).items}
    (folder / "cat" / "2.x").unlink()
    with pytest.raises(OSError, match=r"2\.x"):
        read(items["cat/2.x"])
    assert read(items["ü 1.x"]) == b"one"


def test_large_files_go_to_disk(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "IN_MEMORY", 10)
    memory.pipe("/data/1.x", b"0123456789abc")
    assert contents("memory://data/1.x") == {"1.x": b"0123456789abc"}


@pytest.mark.parametrize(
    "location",
    [
        "memory://nothing", "http://127.0.0.1:9/a.x", "nothing-known://a/b", "s3://weft-no-such-bucket/a",
        "file:///nothing/there",
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_a_sentence(memory: Any, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SourceError, match=rf"the source {location} cannot be read \(.+\); check the address"):
        collect([location])


def test_a_source_that_needs_credentials(server: tuple[str, Path]) -> None:
    url, _ = server
    with pytest.raises(SourceError, match=r"cannot be read \(.*401.*credentials that it needs"):
        collect([f"{url}/secret/"])


@pytest.mark.parametrize(("most", "fits"), [(2_999_999, False), (3_000_000, True)])
def test_a_file_of_unknown_size_has_a_limit(server: tuple[str, Path], most: int, fits: bool) -> None:
    url, _ = server
    (item,) = collect([f"{url}/endless.x"], limits=SourceLimits(member_bytes=most)).items
    if fits:
        assert read(item) == b"x" * 3_000_000
    else:
        with pytest.raises(OSError, match=f"it has more than the {most} bytes that are allowed"):
            read(item)


def test_a_server_that_knows_when_files_change_is_asked(server: tuple[str, Path]) -> None:
    url, folder = server
    before, again = ({item.name: item.stamp for item in collect([f"{url}/"]).items} for _ in range(2))
    assert again == before
    os.utime(folder / "cat" / "2.x", (10**9, 10**9))
    after = {item.name: item.stamp for item in collect([f"{url}/"]).items}
    assert (after["ü 1.x"] == before["ü 1.x"], after["cat/2.x"] == before["cat/2.x"]) == (True, False)


def test_passwords_and_signatures_are_not_kept(server: tuple[str, Path]) -> None:
    url, _ = server
    secret = url.replace("http://", "http://user:pa55@") + "/cat/2.x?signature=pa55"
    found = collect([secret])
    assert found.items[0].source == found.sources[0].location == f"{url}/cat/2.x"
    with pytest.raises(SourceError) as caught:
        collect([secret.replace("2.x", "gone.x")])
    assert "pa55" not in str(caught.value)


def test_addresses_that_differ_in_their_query_are_told_apart(server: tuple[str, Path]) -> None:
    url, _ = server
    found = collect([f"{url}/cat/2.x?id=1", f"{url}/cat/2.x?id=2"])
    assert [each.location for each in found.sources] == [f"{url}/cat/2.x", f"{url}/cat/2.x (2)"]
    assert [item.source for item in found.items] == [each.location for each in found.sources]
