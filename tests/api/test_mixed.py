"""Corpora prepared apart, learned together: one vocabulary, one text codec, one model that makes several things."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run as weft_command
from weft.codecs.bpe import ByteLevelBPE
from weft.codecs.vocabulary import Vocabulary
from weft.plugins.registry import get_registry, reset_registry
from weft.storage.hashing import hash_folder
from weft.training.loop import Loop


@pytest.fixture(scope="session")
def other_corpus(workshop: Path) -> weft.Corpus:
    """Text in other words, so with another codec."""
    return weft.prepare(workshop / "more.txt", out=workshop / "corpora" / "more")


class TestTexts:
    def test_two_codecs_become_one(
        self, tiny_train: Any, text_corpus: weft.Corpus, other_corpus: weft.Corpus, tmp_path: Path
    ) -> None:
        assert text_corpus.folder.codec_hash("text") != other_corpus.folder.codec_hash("text")
        run = tiny_train([text_corpus, other_corpus], tmp_path / "run", steps=120)
        assert run.folder.manifest.modalities == ["text"]
        assert [corpus.sha256 for corpus in run.folder.manifest.corpora] == [text_corpus.sha256, other_corpus.sha256]
        vocabulary = Vocabulary.from_json(run.folder.manifest.vocabulary)
        assert vocabulary.block("text")[1] == ByteLevelBPE.load(run.folder.codec_folder("text")).vocab_size
        for prompt, expected in (("7 x 7", "makes"), ("The cat sees the dog, and", "then number")):
            assert expected in run.generate(prompt, seed=0, temperature=0, max_tokens=20)[0].payload

    def test_the_tokens_of_the_joint_codec_are_those_of_the_texts(
        self, tiny_train: Any, text_corpus: weft.Corpus, other_corpus: weft.Corpus, tmp_path: Path
    ) -> None:
        run = tiny_train([text_corpus, other_corpus], tmp_path / "run", steps=1)
        codec = ByteLevelBPE.load(run.folder.codec_folder("text"))
        joint = run.folder.manifest.codecs["text"]
        for corpus in (text_corpus, other_corpus):
            layer = corpus.folder.layer("payload", joint)
            texts = [sample.payload for sample in corpus.folder.samples(get_registry().payload_format("text"))]
            assert codec.decode(list(layer)) == texts
            corpus.folder.verify()

    def test_the_joint_run_is_exact_too(
        self,
        tiny_train: Any,
        text_corpus: weft.Corpus,
        other_corpus: weft.Corpus,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        runs = [tiny_train([text_corpus, other_corpus], tmp_path / name, steps=5) for name in "ab"]
        assert len({run.summary()["weights_sha256"] for run in runs}) == 1
        before = hash_folder(runs[0].path)

        def no_fit(*_: Any, **__: Any) -> Any:
            raise AssertionError("a run that goes on has its codec already")

        monkeypatch.setattr(ByteLevelBPE, "fit", no_fit)
        weft.train([text_corpus, other_corpus], out=runs[0].path, resume=True)
        assert hash_folder(runs[0].path) == before
        with pytest.raises(weft.FolderError, match=r"the same corpora in the same order"):
            weft.train([other_corpus, text_corpus], out=runs[0].path, resume=True)

    def test_one_corpus_alone_keeps_its_codec(self, text_corpus: weft.Corpus, text_run: weft.Run) -> None:
        assert text_run.folder.manifest.codecs["text"] == text_corpus.folder.codec_hash("text")


@pytest.mark.usefixtures("notes_plugin")
class TestModalities:
    @pytest.fixture
    def run(self, notes_folders: dict[str, Path]) -> weft.Run:
        run = weft.load(notes_folders["mixed run"])
        assert isinstance(run, weft.Run)
        return run

    def test_the_target_is_picked(self, run: weft.Run) -> None:
        assert run.summary()["modalities"] == ["text", "notes"]
        assert run.summary()["conditional"] == ["notes"]
        assert set(run.summary()["validation"]) == {"text", "notes", "notes-to-text"}
        assert "bits_per_byte" not in run.summary()["validation"]["notes"]
        text = run.generate("The cat", to="text", seed=1, max_tokens=10)[0]
        tune = run.generate("high tune", to="notes", seed=1)[0]
        assert (text.modality, tune.modality) == ("text", "notes")
        assert text.payload.startswith("The cat")
        assert all(0 <= pitch < 8 and 0 <= length < 4 for pitch, length in tune.payload)
        assert "".join(run.stream("The cat", seed=1, max_tokens=10)) == text.payload

    def test_one_text_codec_is_learned_from_texts_and_captions(
        self, run: weft.Run, text_corpus: weft.Corpus, notes_folders: dict[str, Path]
    ) -> None:
        captioned = weft.load(notes_folders["captioned corpus"])
        assert isinstance(captioned, weft.Corpus)
        codec, joint = ByteLevelBPE.load(run.folder.codec_folder("text")), run.folder.manifest.codecs["text"]
        assert joint not in {corpus.folder.codec_hash("text") for corpus in (text_corpus, captioned)}
        own = ByteLevelBPE.load(text_corpus.folder.codec_folder("text"))
        assert len(codec.encode(["high tune"])[0]) < len(own.encode(["high tune"])[0])
        assert codec.decode(list(captioned.folder.layer("prompt", joint))) == captioned.folder.prompts

    @pytest.mark.parametrize("to", [None, "audio"])
    def test_it_must_be_one_that_the_run_makes(self, run: weft.Run, to: str | None) -> None:
        problem = "say what to make with --to" if to is None else "this run cannot make 'audio'"
        with pytest.raises(weft.GenerationError, match=f"{problem}; it was trained on text, notes"):
            run.generate("The cat", to=to)

    def test_blocks_do_not_overlap(self, run: weft.Run) -> None:
        vocabulary = Vocabulary.from_json(run.folder.manifest.vocabulary)
        assert set(vocabulary.blocks) == {"text", "notes"}
        (start, size), (following, last) = sorted(vocabulary.blocks.values())
        assert start + size <= following < following + last == vocabulary.size
        assert vocabulary.size == run.folder.manifest.model["vocab_size"]

    def test_two_captioned_corpora_are_named_once(
        self, tiny_train: Any, workshop: Path, notes_folders: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = notes_folders["captioned corpus"]
        other = weft.prepare(workshop / "tunes", out=tmp_path / "other", codec=folder, seed=1)
        assert other.summary()["captioned"]
        run = tiny_train([folder, other], tmp_path / "run", steps=1)
        assert run.summary()["conditional"] == ["notes"]

    def test_codecs_of_one_modality_that_differ(
        self, tiny_train: Any, workshop: Path, notes_folders: dict[str, Path], tmp_path: Path
    ) -> None:
        other = weft.prepare(workshop / "plain", out=tmp_path / "other", options={"notes.pitches": 12})
        with pytest.raises(weft.TrainingError, match="are notes corpora with different codecs") as found:
            tiny_train([notes_folders["captioned corpus"], other], tmp_path / "run")
        assert not (tmp_path / "run").exists()
        command = str(found.value).partition("encode one as the other is: ")[2]
        assert weft_command([*shlex.split(command)[1:], "--quiet"]) == 0
        anew = tmp_path / "other-as-captioned"
        tiny_train([notes_folders["captioned corpus"], anew], tmp_path / "run", steps=1)

    def test_without_its_plugin_a_run_says_what_is_missing(self, run: weft.Run, monkeypatch: Any) -> None:
        monkeypatch.setenv("WEFT_DISABLE_PLUGINS", "fake_notes")
        reset_registry()
        again = weft.load(run.path)
        assert isinstance(again, weft.Run)
        assert again.summary()["modalities"] == ["text", "notes"]
        with pytest.raises(weft.PluginError, match="notes"):
            again.generate("high tune", to="notes")
        assert again.generate("The cat", to="text", seed=1, max_tokens=3)[0].payload.startswith("The cat")


@pytest.mark.usefixtures("notes_plugin")
class TestMixtures:
    def test_shares_are_kept(
        self, tiny_train: Any, notes_folders: dict[str, Path], tmp_path: Path, text_corpus: Any
    ) -> None:
        corpora = [text_corpus, notes_folders["captioned corpus"]]
        run = tiny_train(corpora, tmp_path / "run", steps=None, epochs=0.5, mix="text=1,notes=3", reverse=0.25)
        learned = run.folder.manifest.target_tokens
        assert learned["notes"] == pytest.approx(3 * learned["text"], rel=0.01)
        present = sum(
            weft.load(corpus).folder.manifest["tokens"] for corpus in map(str, [text_corpus.path, corpora[1]])
        )
        assert learned["text"] + learned["notes"] == pytest.approx(0.5 * present, rel=0.2)

    def test_a_mixed_run_goes_on_where_it_was(
        self, tiny_train: Any, notes_folders: dict[str, Path], tmp_path: Path, text_corpus: Any, monkeypatch: Any
    ) -> None:
        corpora = [text_corpus.path, notes_folders["captioned corpus"]]
        options = {"steps": 8, "mix": {"text": 1, "notes": 2}, "reverse": 0.4}
        whole = tiny_train(corpora, tmp_path / "whole", **options)

        step = Loop.train_step

        def cut_off(loop: Loop) -> Any:
            if loop.step == 5:
                raise KeyboardInterrupt
            return step(loop)

        monkeypatch.setattr(Loop, "train_step", cut_off)
        with pytest.raises(KeyboardInterrupt):
            tiny_train(corpora, tmp_path / "again", **options)
        monkeypatch.setattr(Loop, "train_step", step)
        again = weft.train(corpora, out=tmp_path / "again", resume=True, mix="text=1, notes=2", reverse=0.4)
        assert again.summary()["weights_sha256"] == whole.summary()["weights_sha256"]
        with pytest.raises(weft.OptionError, match=r"mix was .*, now"):
            weft.train(corpora, out=again.path, resume=True, mix="text=2,notes=1")

    @pytest.mark.parametrize(
        ("mix", "said"),
        [
            ("text=1,audio=1", "the mixture names audio, but no corpus of audio is given"),
            ("text=1", "the mixture says nothing of notes"),
            ("text=0,notes=0", "the share of text in the mixture must be above 0"),
            ("text=1,notes=-2", "the share of notes in the mixture must be above 0, and finite, got -2"),
            ("text", "text has no number for a share"),
        ],
    )
    def test_mixtures_that_cannot_be(
        self, mix: str, said: str, notes_folders: dict[str, Path], text_corpus: Any, tmp_path: Path, capsys: Any
    ) -> None:
        corpora = [str(text_corpus.path), str(notes_folders["captioned corpus"])]
        assert (
            weft_command(["train", *corpora, "--out", str(tmp_path / "run"), "--steps", "1", "--mix", mix, "--quiet"])
            == 2
        )
        assert said in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError, match="give at least one corpus"):
        weft.train([], out=tmp_path / "run")


def test_a_run_is_no_corpus(text_run: weft.Run, tmp_path: Path) -> None:
    with pytest.raises(weft.FolderError, match="is a run, not a corpus"):
        weft.train(text_run.path, out=tmp_path / "run")
