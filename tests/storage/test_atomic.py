"""Files and folders are whole or absent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from weft.errors import FolderError
from weft.storage.atomic import new_folder, write_bytes, write_json, write_text


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(path: Path, *, force: bool = False, sources: tuple[Path, ...] = ()) -> None:
    with new_folder(path, force=force, sources=sources) as folder:
        (folder / "new.txt").write_text("new")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_bytes(path, b"new")
    write_json(tmp_path / "b.json", {"ü": [1]})
    assert path.read_bytes() == b"new"
    assert json.loads((tmp_path / "b.json").read_text("utf-8")) == {"ü": [1]}
    assert entries(tmp_path) == ["a.txt", "b.json"]


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert entries(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


def test_a_file_is_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["new", "ü x", "." + "n" * 200, "語" * 80])
def test_a_new_folder_with_its_parents(tmp_path: Path, name: str) -> None:
    make(tmp_path / "a" / "b" / name)
    assert entries(tmp_path / "a" / "b") == [name]
    assert (tmp_path / "a" / "b" / name / "new.txt").read_text() == "new"


def test_it_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        assert folder.parent == tmp_path
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "half").write_text("written")
            raise error

    with pytest.raises(error):
        fail()
    assert entries(tmp_path) == []


def test_a_failure_with_force_leaves_the_old(tmp_path: Path) -> None:
    old = tmp_path / "out"
    old.mkdir()
    (old / "corpus.json").write_text("{}")
    with pytest.raises(ValueError, match="no"), new_folder(old, force=True):
        raise ValueError("no")
    assert entries(tmp_path) == ["out"]
    assert entries(old) == ["corpus.json"]


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from weft.storage.atomic import new_folder
        with new_folder(Path(sys.argv[1])) as folder:
            (folder / "half").write_text("written")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    make(out)
    assert entries(out) == ["new.txt"]


def test_an_empty_folder_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    make(tmp_path / "out")
    assert entries(tmp_path) == ["out"]


def test_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert entries(tmp_path / "real") == ["new.txt"]


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{}")
    with pytest.raises(FolderError, match="is not empty; choose another or pass --force"):
        make(out)
    assert entries(out) == ["run.json"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FolderError, match="is a file"):
        make(tmp_path / "out", force=True)
    with pytest.raises(FolderError, match="cannot be made"):
        make(tmp_path / "out" / "below")


@pytest.mark.parametrize("own", ["corpus.json", "run.json"])
def test_force_replaces_a_weft_folder(tmp_path: Path, own: str) -> None:
    out = tmp_path / "out"
    (out / "codecs").mkdir(parents=True)
    (out / own).write_text("{}")
    (out / ".DS_Store").write_text("")
    make(out, force=True)
    assert entries(out) == ["new.txt"]
    assert entries(tmp_path) == ["out"]


DEMO_FILES = (
    "demo.json", "index.html", "page-files/a.png", "text/source/a.txt", "text/generated/a.txt",
    "text/corpus/corpus.json", "text/run/run.json",
)  # fmt: skip


def write_demo(out: Path, *more: str) -> None:
    for name in (*DEMO_FILES, *more):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    (out / "demo.json").write_text('{"kind": "demo", "modalities": ["text", "image"]}')


def test_force_replaces_a_demo(tmp_path: Path) -> None:
    write_demo(tmp_path / "out")
    make(tmp_path / "out", force=True)
    assert entries(tmp_path / "out") == ["new.txt"]


@pytest.mark.parametrize("mine", ["thesis.doc", "audio/a.wav", "text/mine/a.txt", "text/run/mine.txt", "image"])
def test_force_never_deletes_what_was_put_into_a_demo(tmp_path: Path, mine: str) -> None:
    write_demo(tmp_path / "out", mine)
    with pytest.raises(FolderError, match="--force does not replace it"):
        make(tmp_path / "out", force=True)
    assert (tmp_path / "out" / mine).read_text() == "mine"


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"kind": "demo", "modalities": 3}', '{"kind": "d"}'])
def test_a_demo_is_known_by_a_sound_manifest(tmp_path: Path, manifest: str) -> None:
    write_demo(tmp_path / "out")
    (tmp_path / "out" / "demo.json").write_text(manifest)
    with pytest.raises(FolderError, match="--force does not replace it"):
        make(tmp_path / "out", force=True)


@pytest.mark.parametrize(
    "files", [("thesis.doc",), ("corpus.json", "thesis.doc"), ("run.json", ".git"), ("index.html",)]
)
def test_force_never_deletes_what_is_not_wefts(tmp_path: Path, files: tuple[str, ...]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in files:
        (out / name).write_text("mine")
    with pytest.raises(FolderError, match="--force does not replace it"):
        make(out, force=True)
    assert entries(out) == sorted(files)


def test_files_that_come_while_it_is_made_are_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def lose_the_race() -> None:
        with new_folder(out):
            out.mkdir()
            (out / "mine").write_text("mine")

    with pytest.raises(FolderError, match="is not empty"):
        lose_the_race()
    assert entries(out) == ["mine"]


@pytest.mark.parametrize("out", ["photos", "photos/out", ".", "photos/../photos/deep/out"])
def test_the_output_may_not_overlap_a_source(tmp_path: Path, out: str) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(FolderError, match="overlaps the source"):
        make(tmp_path / out, force=True, sources=(tmp_path / "photos",))


@pytest.mark.parametrize("out", [".", "..", "../../run", "deep/.."])
@pytest.mark.parametrize("force", [True, False])
def test_the_output_may_not_hold_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, force: bool
) -> None:
    here = tmp_path / "run" / "here"
    (here / "deep").mkdir(parents=True)
    monkeypatch.chdir(here)
    with pytest.raises(FolderError, match="the working directory is in it"):
        make(Path(out), force=force)
    assert here.samefile(Path.cwd())
    assert entries(here) == ["deep"]
    make(Path("new"))
    make(Path("deep"))
    assert entries(here) == ["deep", "new"]


def test_a_working_directory_that_is_gone_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    make(tmp_path / "out")
    assert entries(tmp_path) == ["out"]


def test_the_output_may_lie_beside_a_source(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("")
    (tmp_path / "photos").mkdir()
    make(tmp_path / "photos2", sources=(tmp_path / "text.txt", tmp_path / "photos"))
    assert entries(tmp_path) == ["photos", "photos2", "text.txt"]
