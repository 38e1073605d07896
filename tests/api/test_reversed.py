"""Runs that learned captions of payloads too describe files and payloads in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run as weft_command


@pytest.mark.usefixtures("notes_plugin")
class TestReversed:
    """The mixed run learned captions of tunes as well as tunes of captions."""

    @pytest.fixture
    def run(self, notes_folders: dict[str, Path]) -> weft.Run:
        run = weft.load(notes_folders["mixed run"])
        assert isinstance(run, weft.Run)
        return run

    @pytest.fixture
    def tunes(self, workshop: Path) -> list[Path]:
        return [
            workshop / "tunes" / name / f"{number}.notes" for name in ("high_tune", "low_tune") for number in (3, 8)
        ]

    def test_the_run_says_what_it_makes_of_what(self, run: weft.Run) -> None:
        manifest = run.folder.manifest
        assert [(each.condition, each.target) for each in manifest.known_directions] == [
            ("text", "notes"), ("notes", "text"),
        ]  # fmt: skip
        assert set(manifest.target_tokens) == {"text", "notes", "notes-to-text"}
        assert manifest.settings["reverse"] == 0.5
        assert manifest.preparation["notes"] == {"notes.pitches": 8}

    def test_losses_are_logged_by_modality_while_training(self, run: weft.Run) -> None:
        rows = [row for row in run.folder.metrics() if "loss" in row]
        named = {f"{task}/nats_per_token" for task in ("text", "notes", "notes-to-text")} | {"text/bits_per_byte"}
        assert named <= set().union(*rows)
        assert all(row[name] > 0 for row in rows for name in named & row.keys())

    def test_a_file_is_described(self, run: weft.Run, tunes: list[Path]) -> None:
        artifacts = run.generate(prompt_file=tunes, to="text", temperature=0, seed=5)
        assert [artifact.payload for artifact in artifacts] == ["high tune", "high tune", "low tune", "low tune"]
        assert [artifact.prompt_file for artifact in artifacts] == [str(path) for path in tunes]
        assert [artifact.seed for artifact in artifacts] == [5, 6, 7, 8]
        assert all(artifact.prompt is None and artifact.drawn.finished for artifact in artifacts)

    def test_what_else_could_be_meant_is_inferred(self, run: weft.Run, tunes: list[Path]) -> None:
        one = run.generate(prompt_file=tunes[0], seed=1, temperature=0)[0]
        assert (one.modality, one.payload) == ("text", "high tune")
        assert "".join(run.stream(prompt_file=tunes[0], seed=1, temperature=0)) == one.payload

    def test_a_folder_is_all_that_is_in_it(self, run: weft.Run, workshop: Path) -> None:
        folder = workshop / "tunes" / "low_tune"
        artifacts = run.generate(prompt_file=folder, n=2, seed=0)
        assert len(artifacts) == 2 * 20
        assert [artifact.prompt_file for artifact in artifacts[::2]] == sorted(map(str, folder.iterdir()))
        assert [artifact.seed for artifact in artifacts] == list(range(40))

    def test_a_payload_in_memory_is_as_good_as_its_file(self, run: weft.Run, tunes: list[Path]) -> None:
        words = [int(word) for word in tunes[0].read_text().split()]
        tune = list(zip(words[::2], words[1::2], strict=True))
        given, read = (run.generate(tune, seed=3)[0], run.generate(prompt_file=tunes[0], seed=3)[0])
        assert given.drawn == read.drawn
        assert (given.prompt, given.prompt_file) == (None, None)

    def test_guidance_has_its_twin(self, run: weft.Run, tunes: list[Path]) -> None:
        artifact = run.generate(prompt_file=tunes[2], guidance=1.2, temperature=0, seed=1)[0]
        assert artifact.payload == "low tune"

    def test_a_description_is_no_longer_than_those_that_were_learned(self, run: weft.Run, tunes: list[Path]) -> None:
        (direction,) = [each for each in run.folder.manifest.known_directions if each.target == "text"]
        for artifact in run.generate(prompt_file=tunes[0], n=20, temperature=8.0, seed=0):
            assert 1 <= len(artifact.drawn.tokens) <= direction.lengths[1] + 1

    def test_a_prompt_may_lie_in_a_file(self, run: weft.Run, tmp_path: Path) -> None:
        (tmp_path / "words.txt").write_text("high tune")
        read = run.generate(prompt_file=tmp_path / "words.txt", to="notes", seed=2)[0]
        assert read.payload == run.generate("high tune", to="notes", seed=2)[0].payload

    def test_the_command_says_which_file_it_describes(
        self, run: weft.Run, tunes: list[Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [word for path in (tunes[0], tunes[3]) for word in ("--prompt-file", str(path))]
        command = ["generate", str(run.path), *files, "--to", "text", "--temperature", "0", "--seed", "1"]
        assert weft_command([*command, "--quiet"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"--- seed 1, {tunes[0]}", "high tune", f"--- seed 2, {tunes[3]}", "low tune",
        ]  # fmt: skip
        assert weft_command([*command, "--json", "--quiet"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(row["text"], row["prompt"], row["prompt_file"]) for row in rows] == [
            ("high tune", None, str(tunes[0])), ("low tune", None, str(tunes[3])),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"to": "notes"}, r"did not learn to make notes of notes \(it learned text to notes, notes to text\)"),
            ({"to": "audio"}, "did not learn to make audio of notes"),
            ({"prompt": "The cat"}, "give either a prompt or a file with one, not both"),
        ],
    )
    def test_requests_that_cannot_be_answered(
        self, run: weft.Run, tunes: list[Path], options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(weft.WeftError, match=said):
            run.generate(prompt_file=tunes[0], **options)

    def test_files_that_cannot_be_read(self, run: weft.Run, tunes: list[Path], tmp_path: Path) -> None:
        (tmp_path / "broken.notes").write_text("1 2 three")
        with pytest.raises(weft.SourceError, match=r"broken\.notes cannot be read as notes \(.+\); check the file"):
            run.generate(prompt_file=[tunes[0], tmp_path / "broken.notes"])
        with pytest.raises(weft.SourceError, match="does not exist"):
            run.generate(prompt_file=tmp_path / "none.notes")
        with pytest.raises(weft.OptionError, match="a prompt must be text, or a payload of notes; got an object of"):
            run.generate(object())

    def test_a_file_for_a_run_that_learned_from_words_alone(
        self, notes_folders: dict[str, Path], tunes: list[Path]
    ) -> None:
        run = weft.load(notes_folders["captioned run"])
        assert isinstance(run, weft.Run)
        with pytest.raises(weft.GenerationError, match=r"did not learn to make anything of notes .*--reverse 0"):
            run.generate(prompt_file=tunes[0])


@pytest.mark.usefixtures("notes_plugin")
class TestOneModality:
    def test_it_is_learned_as_before_unless_asked(self, notes_folders: dict[str, Path]) -> None:
        run = weft.load(notes_folders["captioned run"])
        assert isinstance(run, weft.Run)
        assert run.folder.manifest.settings["reverse"] == 0
        assert set(run.summary()["validation"]) == {"notes"}

    def test_reversed_documents_on_demand(
        self, tiny_train: Any, notes_folders: dict[str, Path], workshop: Path, tmp_path: Path
    ) -> None:
        corpus = notes_folders["captioned corpus"]
        run = tiny_train(corpus, tmp_path / "run", steps=60, reverse=0.5)
        tune = workshop / "tunes" / "high_tune" / "3.notes"
        assert run.generate(prompt_file=tune, temperature=0)[0].payload == "high tune"
        assert run.generate("high tune", seed=0)[0].modality == "notes"
        with pytest.raises(weft.GenerationError, match="makes text only of notes; give a file of that kind with --p"):
            run.generate(to="text")

    def test_prompts_are_learned_too_where_all_is(
        self, tiny_train: Any, answer_corpus: weft.Corpus, tmp_path: Path
    ) -> None:
        one, two = (tiny_train(answer_corpus, tmp_path / on, steps=30, loss_on=on) for on in ("target", "all"))
        losses = [[row["loss"] for row in run.folder.metrics() if "loss" in row] for run in (one, two)]
        assert losses[0] != losses[1]
        assert one.summary()["validation"]["text"]["nats_per_token"] > 0
