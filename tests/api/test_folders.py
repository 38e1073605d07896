"""A folder is complete and stands by itself: moved, copied, damaged, or made twice."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run as weft_command
from weft.plugins.registry import get_registry
from weft.storage.hashing import hash_folder

SIZE_LIMIT = 150
"""Damaged manifests that are tried of each kind."""


class TestNeverReplaced:
    @pytest.mark.parametrize("inside", [".", "run"])
    def test_the_corpus_that_a_run_is_made_from(self, workshop: Path, tmp_path: Path, inside: str) -> None:
        corpus = weft.prepare(workshop / "prose.txt", out=tmp_path / "corpus")
        with pytest.raises(weft.FolderError, match="overlaps"):
            weft.train(corpus, out=corpus.path / inside, steps=1, force=True)
        weft.load(corpus.path)


class TestMoved:
    def test_a_corpus_without_its_sources(self, workshop: Path, tiny_train: Any, tmp_path: Path) -> None:
        (tmp_path / "source").mkdir()
        shutil.copy(workshop / "prose.txt", tmp_path / "source")
        made = weft.prepare(tmp_path / "source", out=tmp_path / "corpus")
        moved = tmp_path / "far" / "away"
        moved.parent.mkdir()
        shutil.move(made.path, moved)
        shutil.rmtree(tmp_path / "source")
        corpus = weft.load(moved)
        assert isinstance(corpus, weft.Corpus)
        corpus.folder.verify()
        assert corpus.sha256 == made.sha256
        assert tiny_train(corpus, tmp_path / "run", steps=2).summary()["step"] == 2

    def test_a_run_without_its_corpus(self, tiny_train: Any, workshop: Path, tmp_path: Path) -> None:
        corpus = weft.prepare(workshop / "prose.txt", out=tmp_path / "corpus")
        made = tiny_train(corpus, tmp_path / "run", steps=3)
        expected = made.generate("The cat", seed=1, max_tokens=9)[0].payload
        summary = made.summary()
        shutil.move(made.path, tmp_path / "elsewhere")
        shutil.rmtree(corpus.path)
        run = weft.load(tmp_path / "elsewhere")
        assert isinstance(run, weft.Run)
        assert run.summary() == summary
        assert run.generate("The cat", seed=1, max_tokens=9)[0].payload == expected

    def test_a_run_goes_on_with_a_copy_of_its_corpus(
        self, tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path
    ) -> None:
        shutil.copytree(text_corpus.path, tmp_path / "corpus")
        shutil.copytree(text_run.path, tmp_path / "run")
        again = weft.train(tmp_path / "corpus", out=tmp_path / "run", resume=True)
        assert again.summary()["weights_sha256"] == text_run.summary()["weights_sha256"]

    def test_a_corpus_that_cannot_be_written_to(
        self, tiny_train: Any, text_corpus: weft.Corpus, answer_corpus: weft.Corpus, tmp_path: Path
    ) -> None:
        """Corpora prepared apart are encoded anew; where the tokens cannot be kept, they are made in memory."""
        originals = [text_corpus.path, answer_corpus.path]
        writable = [Path(shutil.copytree(path, tmp_path / "w" / path.name)) for path in originals]
        expected = tiny_train(writable, tmp_path / "first", steps=2).summary()["weights_sha256"]
        blocked = [Path(shutil.copytree(path, tmp_path / "b" / path.name)) for path in originals]
        kept = {path.relative_to(tmp_path / "w") for path in (tmp_path / "w").glob("*/tokens/*")}
        for name in kept:
            if not (tmp_path / "b" / name).exists():
                (tmp_path / "b" / name).write_text("in the way")
        before = [hash_folder(path) for path in blocked]
        assert tiny_train(blocked, tmp_path / "second", steps=2).summary()["weights_sha256"] == expected
        assert [hash_folder(path) for path in blocked] == before


PREPARE = """
import sys, weft
print(weft.prepare(sys.argv[1], out=sys.argv[2]).sha256)
"""


def test_another_process_makes_the_same_corpus(workshop: Path, answer_corpus: weft.Corpus, tmp_path: Path) -> None:
    """Whatever the order of hashes of strings, the name of the folder or the number of threads."""
    source, out = workshop / "questions.jsonl", tmp_path / "elsewhere"
    env = {**os.environ, "PYTHONHASHSEED": "1", "RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", PREPARE, str(source), str(out)]
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()
    assert found == answer_corpus.sha256
    assert json.loads((out / "corpus.json").read_text())["files"] == answer_corpus.folder.manifest["files"]


def vouched_for(corpus: Path) -> list[Path]:
    """The files of a corpus but the report, which is made from the others."""
    manifest = corpus / "corpus.json"
    return [manifest, *(corpus / name for name in json.loads(manifest.read_text())["files"])]


class TestIncomplete:
    @pytest.fixture
    def corpus(self, workshop: Path, tmp_path: Path) -> Path:
        return weft.prepare(workshop / "prose.txt", out=tmp_path / "corpus").path

    @pytest.fixture
    def run(self, text_run: weft.Run, tmp_path: Path) -> Path:
        return Path(shutil.copytree(text_run.path, tmp_path / "run"))

    def test_each_file_of_a_corpus_is_missed(self, corpus: Path) -> None:
        files = vouched_for(corpus)
        assert len(files) == 10
        for path in files:
            data = path.read_bytes()
            path.unlink()
            with pytest.raises(weft.FolderError):
                weft.load(corpus)
            path.write_bytes(data)
        weft.load(corpus)

    def test_each_file_of_a_corpus_that_is_cut_off_is_noticed(self, corpus: Path, tmp_path: Path) -> None:
        for path in vouched_for(corpus):
            data = path.read_bytes()
            for size in (0, len(data) // 2, len(data) - 2):
                path.write_bytes(data[:size])
                with pytest.raises(weft.FolderError):
                    use_corpus(corpus, tmp_path / "run")
                assert not (tmp_path / "run").exists()
            path.write_bytes(data)

    def test_tokens_that_were_overwritten(self, corpus: Path, tmp_path: Path) -> None:
        path = next(corpus.rglob("tokens.npy"))
        data = path.read_bytes()
        path.write_bytes(data[:-40] + b"\xff" * 40)
        with pytest.raises(weft.FolderError, match="is damaged"):
            weft.train(corpus, out=tmp_path / "run", steps=1)

    def test_each_file_of_a_run_is_missed(self, run: Path, text_corpus: weft.Corpus) -> None:
        store = weft.load(run).folder.checkpoints  # type: ignore[union-attr]
        used = {store.path("best"), store.path("last")}
        reserves = set((run / "checkpoints").iterdir()) - used
        for path in [path for path in run.rglob("*") if path.is_file() and path.parent not in reserves]:
            if path.name in ("metrics.jsonl", "optimizer.safetensors") or "previews" in path.parts:
                continue
            data = path.read_bytes()
            path.unlink()
            with pytest.raises(weft.FolderError):
                use_run(run)
            path.write_bytes(data)
        use_run(run)

    def test_without_its_optimizer_a_run_generates_but_does_not_go_on(
        self, run: Path, text_corpus: weft.Corpus
    ) -> None:
        for path in run.rglob("optimizer.safetensors"):
            path.unlink()
        use_run(run)
        expected = r"none of its checkpoints is whole \(of the last, optimizer.safetensors is missing\)"
        with pytest.raises(weft.FolderError, match=expected):
            weft.train(text_corpus, out=run, resume=True)

    def test_without_its_codec_a_run_does_not_go_on(self, run: Path, text_corpus: weft.Corpus) -> None:
        shutil.rmtree(run / "codecs")
        with pytest.raises(weft.FolderError, match="codecs"):
            weft.train(text_corpus, out=run, resume=True)

    def test_a_codec_of_another_run(self, run: Path, answer_run: weft.Run) -> None:
        """It may have as many ids, so only its hash tells."""
        shutil.rmtree(run / "codecs" / "text")
        shutil.copytree(answer_run.folder.codec_folder("text"), run / "codecs" / "text")
        with pytest.raises(weft.FolderError, match="text is not the codec that the run was trained with"):
            use_run(run)

    @pytest.mark.parametrize("kind", ["corpus", "run"])
    def test_a_newer_schema(self, kind: str, request: pytest.FixtureRequest) -> None:
        folder = request.getfixturevalue(kind)
        path = folder / f"{kind}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
        with pytest.raises(weft.FolderError, match=r"written by a newer Weft \(schema 99"):
            weft.load(folder)
        assert weft_command(["inspect", str(folder)]) == 2

    def test_what_is_no_folder_of_ours(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(weft.FolderError, match="does not exist"):
            weft.load(tmp_path / "absent")
        for path in (tmp_path, tmp_path / "file"):
            with pytest.raises(weft.FolderError, match="is neither a corpus nor a run"):
                weft.load(path)

    @pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "a/../../outside.json"])
    def test_files_outside_of_the_folder(self, corpus: Path, name: str) -> None:
        path = corpus / "corpus.json"
        manifest = json.loads(path.read_text())
        manifest["files"][name] = "0" * 64
        path.write_text(json.dumps(manifest))
        with pytest.raises(weft.FolderError, match="which is outside of the folder"):
            weft.load(corpus)


@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b", "..", "", "Text"])
@pytest.mark.parametrize("where", ["codecs", "lengths", "modalities", "conditional", "preparation", "directions"])
def test_names_in_a_run_lead_nowhere(text_run: weft.Run, tmp_path: Path, where: str, name: str) -> None:
    manifest = json.loads((text_run.path / "run.json").read_text())
    (tmp_path / "run").mkdir()
    more = {
        "codecs": {name: "0" * 64},
        "lengths": {name: [1, 2]},
        "preparation": {name: {}},
        "directions": [{"condition": "text", "target": name, "lengths": [1, 2]}],
    }.get(where, [name])
    before = manifest[where] or type(more)()
    manifest[where] = {**before, **more} if isinstance(more, dict) else [*before, *more]
    if where == "modalities":
        manifest["lengths"][name] = [1, 2]
    (tmp_path / "run" / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(weft.FolderError, match=r"run.json is damaged: '.*' is no name of a modality"):
        weft.load(tmp_path / "run")


def use_corpus(folder: Path, out: Path) -> None:
    corpus = weft.load(folder)
    assert isinstance(corpus, weft.Corpus)
    corpus.summary()
    corpus.folder.verify()
    weft.train(corpus, out=out, steps=1)


def use_run(folder: Path) -> None:
    run = weft.load(folder)
    assert isinstance(run, weft.Run)
    run.summary()
    run.generate("The cat", seed=0, max_tokens=2)
    run.generate("The cat", seed=0, max_tokens=2, checkpoint="last")


def damaged(value: Any) -> Iterator[Any]:
    """The same value with one thing in it left out, or replaced by something of another kind."""
    others: tuple[Any, ...] = (None, "x", -1, [], {}, [None], True, 1.5)
    if isinstance(value, dict):
        for name in value:
            yield {key: copy.deepcopy(each) for key, each in value.items() if key != name}
            for other in (*damaged(value[name]), *others):
                yield {**value, name: other}
    elif isinstance(value, list):
        for place in range(len(value)):
            for other in (*damaged(value[place]), *others):
                yield [*value[:place], other, *value[place + 1 :]]


def some_of(values: list[Any]) -> list[Any]:
    return values[:: max(1, len(values) // SIZE_LIMIT)]


def test_a_damaged_run_is_a_sentence(text_run: weft.Run, tmp_path: Path) -> None:
    """Whatever stands in ``run.json``, opening and using the run works or raises one of our own errors."""
    folder = Path(shutil.copytree(text_run.path, tmp_path / "run"))
    manifest = json.loads((folder / "run.json").read_text())
    unexpected = []
    for value in some_of(list(damaged(manifest))):
        (folder / "run.json").write_text(json.dumps(value))
        try:
            run = weft.load(folder)
            assert isinstance(run, weft.Run)
            run.summary()
            run.generate("A", seed=0, max_tokens=1)
        except weft.WeftError:
            pass
        except Exception as error:
            unexpected.append((difference(manifest, value), repr(error)))
    assert unexpected == []


def test_a_damaged_corpus_is_a_sentence(text_corpus: weft.Corpus, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(text_corpus.path, tmp_path / "corpus"))
    manifest = json.loads((folder / "corpus.json").read_text())
    unexpected = []
    for value in some_of(list(damaged(manifest))):
        (folder / "corpus.json").write_text(json.dumps(value))
        try:
            corpus = weft.load(folder)
            assert isinstance(corpus, weft.Corpus)
            corpus.summary()
            corpus.folder.verify()
            corpus.folder.codec("text", get_registry())
            corpus.folder.layer("payload", corpus.folder.codec_hash("text"))
        except weft.WeftError:
            pass
        except Exception as error:
            unexpected.append((difference(manifest, value), repr(error)))
    assert unexpected == []


def difference(before: Any, after: Any) -> str:
    """Where two manifests differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            if name not in after:
                return f"without {name}"
            if before[name] != after[name]:
                return f"{name}: {difference(before[name], after[name])}"
    return f"{str(before)[:30]} -> {str(after)[:30]}"
