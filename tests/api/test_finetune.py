"""Starting from the weights of a run: all of them, or adapters beside them; merging; what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.cli.main import run as weft_command
from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.progress import Silent, Task
from weft.plugins.registry import Registry
from weft.storage.hashing import hash_folder
from weft.training.next_token import NextTokenTrainer

from .conftest import sentences

RANK = 1
STEPS = 24


class Halt(Exception):
    """A process that dies."""


class Dying(Silent):
    """A reporter that ends the process, as it were, after some steps of training."""

    def __init__(self, step: int) -> None:
        self.left = step

    def task(self, description: str, *args: Any, **options: Any) -> Any:
        task: Task = super().task(description, *args, **options)
        if description != "training":
            return task
        dying = self

        class Counting(type(task)):  # type: ignore[misc]
            def advance(self, *args: Any, **figures: Any) -> None:
                dying.left -= 1
                if dying.left < 0:
                    raise Halt

        return Counting()


def weights(run: weft.Run) -> dict[str, torch.Tensor]:
    return dict(run.folder.checkpoints.weights("last", pytest.fail))


def text_after(run: weft.Run, prompt: str = "The cat", **options: Any) -> str:
    payload: str = run.generate(prompt, to="text", temperature=0, max_tokens=24, seed=0, **options)[0].payload
    return payload


@pytest.fixture(scope="session")
def other_corpus(workshop: Path) -> weft.Corpus:
    """Sentences that end in other words, so with another codec."""
    lines = [line.replace("goes home", "stays where it is, in the rain") for line in sentences(60, start=200)]
    (workshop / "rain.txt").write_text("\n".join(lines) + "\n")
    return weft.prepare(workshop / "rain.txt", out=workshop / "corpora" / "rain")


@pytest.fixture(scope="session")
def whole(tiny_train: Any, workshop: Path, other_corpus: weft.Corpus, text_run: weft.Run) -> weft.Run:
    """All weights, on other text."""
    run: weft.Run = tiny_train(other_corpus, workshop / "runs" / "whole", steps=STEPS, init_from=text_run)
    return run


@pytest.fixture(scope="session")
def adapted(tiny_train: Any, workshop: Path, other_corpus: weft.Corpus, text_run: weft.Run) -> weft.Run:
    """Adapters alone, on other text."""
    options = {"steps": STEPS, "init_from": text_run, "lora": RANK}
    run: weft.Run = tiny_train(other_corpus, workshop / "runs" / "adapted", **options)
    return run


class TestAllWeights:
    def test_it_begins_where_the_run_was(
        self, tiny_train: Any, tmp_path: Path, text_corpus: weft.Corpus, text_run: weft.Run
    ) -> None:
        still = tiny_train(text_corpus, tmp_path / "run", steps=1, init_from=text_run, learning_rate=1e-9, dropout=0.0)
        before = text_run.summary()["validation"]["text"]["bits_per_byte"]
        assert still.summary()["validation"]["text"]["bits_per_byte"] == pytest.approx(before, rel=1e-4)
        assert text_after(still) == text_after(text_run)

    def test_text_is_read_in_the_codec_of_the_run(
        self, whole: weft.Run, text_run: weft.Run, other_corpus: weft.Corpus
    ) -> None:
        manifest, before = whole.folder.manifest, text_run.folder.manifest
        assert other_corpus.folder.codec_hash("text") != before.codecs["text"]
        assert (manifest.codecs, manifest.vocabulary) == (before.codecs, before.vocabulary)
        assert [corpus.sha256 for corpus in manifest.corpora] == [other_corpus.sha256]

    def test_it_learns_more_than_from_scratch(
        self, tiny_train: Any, workshop: Path, tmp_path: Path, whole: weft.Run, text_corpus: weft.Corpus
    ) -> None:
        """In the same steps, with the same codec."""
        corpus = weft.prepare(workshop / "rain.txt", out=tmp_path / "corpus", codec=text_corpus)
        scratch = tiny_train(corpus, tmp_path / "run", steps=STEPS)
        figures = [run.summary()["validation"]["text"]["bits_per_byte"] for run in (whole, scratch)]
        assert figures[0] < figures[1]

    def test_it_says_what_it_started_from(self, whole: weft.Run, text_run: weft.Run) -> None:
        before = text_run.summary()["checkpoints"]["best"]
        assert whole.summary()["started_from"] == {"name": text_run.path.name, **before}
        assert whole.summary()["parameters_trained"] == whole.summary()["parameters"]
        assert text_run.summary()["started_from"] is None

    def test_a_longer_context(
        self, tiny_train: Any, tmp_path: Path, other_corpus: weft.Corpus, text_run: weft.Run
    ) -> None:
        before = text_run.folder.manifest.model["context_length"]
        run = tiny_train(other_corpus, tmp_path / "run", steps=2, init_from=text_run, context=2 * before)
        assert run.folder.manifest.model["context_length"] == 2 * before
        assert len(run.generate("The cat", max_tokens=before, temperature=1, seed=1)) == 1

    @pytest.mark.parametrize("died", [0, 1, 13])
    @pytest.mark.parametrize("rank", [None, RANK])
    def test_it_goes_on_exactly_without_what_it_started_from(
        self,
        tiny_train: Any,
        tmp_path: Path,
        other_corpus: weft.Corpus,
        text_run: weft.Run,
        whole: weft.Run,
        adapted: weft.Run,
        died: int,
        rank: int | None,
    ) -> None:
        before = tmp_path / "before"
        shutil.copytree(text_run.path, before)
        options = {"steps": STEPS, "init_from": before, "lora": rank}
        with pytest.raises(Halt):
            tiny_train(other_corpus, tmp_path / "run", reporter=Dying(died), **options)
        shutil.rmtree(before)
        resumed = weft.train(other_corpus, out=tmp_path / "run", resume=True)
        straight = whole if rank is None else adapted
        assert resumed.summary()["weights_sha256"] == straight.summary()["weights_sha256"]


class TestAdapters:
    def test_the_rest_stays_as_it_was_and_is_kept_once(self, adapted: weft.Run, text_run: weft.Run) -> None:
        before, after = weights(text_run), weights(adapted)
        assert all(torch.equal(after[name], before[name]) for name in before)
        added = {name: tensor for name, tensor in after.items() if name not in before}
        assert all(tensor.abs().sum() > 0 for tensor in added.values())
        summary = adapted.summary()
        assert summary["parameters_trained"] == sum(tensor.numel() for tensor in added.values())
        assert summary["parameters"] == summary["parameters_trained"] + text_run.summary()["parameters"]
        frozen = list(adapted.path.glob("checkpoints/frozen-*"))
        assert len(frozen) == 1
        for folder in adapted.path.glob("checkpoints/step-*"):
            assert (folder / "model.safetensors").stat().st_size < frozen[0].stat().st_size / 2

    def test_the_optimizer_moves_adapters_alone(self, adapted: weft.Run) -> None:
        state = adapted.folder.checkpoints.load("last")
        assert state.optimizer
        assert all(".adapter." in name for name in state.optimizer)

    def test_it_learns(self, adapted: weft.Run, tiny_train: Any, tmp_path: Path, other_corpus: weft.Corpus) -> None:
        options = {"init_from": adapted, "steps": 1, "learning_rate": 1e-9}
        begun = [row["loss"] for row in adapted.folder.metrics() if "loss" in row]
        assert begun[-1] < 0.9 * begun[0]
        onwards = tiny_train(other_corpus, tmp_path / "run", **options)
        figures = [run.summary()["validation"]["text"]["bits_per_byte"] for run in (adapted, onwards)]
        assert figures[1] == pytest.approx(figures[0], rel=1e-3)

    def test_a_run_from_before_the_table_had_one_goes_on(
        self, tiny_train: Any, tmp_path: Path, other_corpus: weft.Corpus, text_run: weft.Run
    ) -> None:
        run = tiny_train(other_corpus, tmp_path / "run", steps=4, init_from=text_run, lora=RANK, ema=0.9)
        store = run.folder.checkpoints
        state = store.load("last")
        model, average, optimizer = (
            {name: tensor for name, tensor in tensors.items() if not name.startswith("embedding.adapter")}
            for tensors in (state.model, state.average, state.optimizer)
        )
        assert len(state.model) > len(model)
        store.save(replace(state, step=2, model=model, average=average, optimizer=optimizer), best=True)
        resumed = weft.train(other_corpus, out=run.path, resume=True)
        assert resumed.summary()["step"] == 4
        after = resumed.folder.checkpoints.load("last")
        for tensors in (after.model, after.average):
            assert tensors["embedding.adapter.up"].abs().sum() > 0
        steps = {name: float(tensor) for name, tensor in after.optimizer.items() if name.endswith("/step")}
        assert {name for name, steps_made in steps.items() if steps_made == 2} == {
            "embedding.adapter.down/step",
            "embedding.adapter.up/step",
        }
        assert text_after(resumed)

    def test_generate_applies_them(self, adapted: weft.Run, text_run: weft.Run) -> None:
        prompt = "The cat sees the dog, and then number 7"
        assert text_after(adapted, prompt) != text_after(text_run, prompt)


@pytest.fixture(scope="session")
def merged(workshop: Path, adapted: weft.Run) -> weft.Run:
    before = hash_folder(adapted.path)
    run = weft.merge(adapted, out=workshop / "runs" / "merged")
    assert hash_folder(adapted.path) == before
    return run


class TestMerge:
    def test_it_gives_the_same(self, merged: weft.Run, adapted: weft.Run) -> None:
        for prompt in ("The cat sees the dog, and then number 7", "The cat"):
            assert text_after(merged, prompt) == text_after(adapted, prompt)
        drawn, wanted = (run.generate("The", seed=3, n=2, max_tokens=20) for run in (merged, adapted))
        assert [each.payload for each in drawn] == [each.payload for each in wanted]

    def test_it_is_a_run_like_any_other(
        self, merged: weft.Run, adapted: weft.Run, text_run: weft.Run, tiny_train: Any, tmp_path: Path
    ) -> None:
        assert weights(merged).keys() == weights(text_run).keys()
        assert merged.folder.manifest.model == text_run.folder.manifest.model | {
            "dropout": adapted.folder.manifest.model["dropout"]
        }
        summary = merged.summary()
        assert summary["parameters"] == summary["parameters_trained"] == text_run.summary()["parameters"]
        assert summary["validation"] == adapted.summary()["validation"]
        assert summary["started_from"] == adapted.summary()["started_from"]

    def test_it_says_what_was_folded_in(
        self, adapted: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Of the best weights, which are those of another step than the last; its log ends where they do."""
        whole, merged = tmp_path / "whole", tmp_path / "merged"
        shutil.copytree(adapted.path, whole)
        weft.load(whole).folder.checkpoints.save(  # type: ignore[union-attr]
            replace(adapted.folder.checkpoints.load("last"), step=STEPS // 2), best=True
        )
        weft.merge(whole, out=merged)
        summary = weft.load(merged).summary()
        assert summary["merged_from"] == {"name": "whole", "rank": RANK, "step": STEPS // 2, "steps": STEPS}
        planned = sum(summary["target_tokens"].values())
        assert sum(summary["target_tokens_learned"].values()) == round(planned / 2)
        assert (summary["step"], summary["steps_planned"]) == (STEPS // 2, STEPS)
        assert summary["training_loss"]["step"] == 10
        assert weft_command(["inspect", str(merged)]) == 0
        shown = capsys.readouterr().out
        assert "the adapters of whole (rank 1, step 12 of 24), folded into the weights of prose" in shown
        assert f"weft plot {merged}" in shown
        assert weft_command(["plot", str(merged), "--out", str(tmp_path / "loss.svg")]) == 0

    def test_a_run_without_adapters(self, text_run: weft.Run, tmp_path: Path) -> None:
        with pytest.raises(weft.OptionError, match="has no adapters to merge: its weights are plain already"):
            weft.merge(text_run, out=tmp_path / "merged")
        assert not (tmp_path / "merged").exists()

    def test_something_is_in_the_way(self, adapted: weft.Run, tmp_path: Path) -> None:
        (tmp_path / "note.txt").write_text("mine")
        with pytest.raises(weft.FolderError, match="is not empty"):
            weft.merge(adapted, out=tmp_path)
        with pytest.raises(weft.FolderError, match="overlaps"):
            weft.merge(adapted, out=adapted.path, force=True)

    def test_what_stands_in_for_damaged_weights_is_said(
        self, adapted: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Step, figures and log are those of the weights that were really read."""
        damaged, out = tmp_path / "damaged", tmp_path / "merged"
        shutil.copytree(adapted.path, damaged)
        store = weft.load(damaged).folder.checkpoints  # type: ignore[union-attr]
        whole = adapted.folder.checkpoints.load("last")
        earlier, later = ({"step": step, "loss": step / 8} for step in (STEPS // 2, STEPS))
        store.save(replace(whole, step=STEPS // 2, notes={"best": earlier, "last": earlier}), best=True)
        store.save(replace(whole, notes={"best": earlier, "last": later}), best=False)
        assert (store.step("best"), store.step("last")) == (STEPS // 2, STEPS)
        (store.path("best") / "model.safetensors").write_bytes(b"")
        assert weft_command(["merge", str(damaged), "--out", str(out)]) == 0
        assert f"step-{STEPS:08d} is used instead" in " ".join(capsys.readouterr().err.split())
        summary = weft.load(out).summary()
        assert summary["merged_from"] == {"name": "damaged", "rank": RANK, "step": STEPS, "steps": STEPS}
        assert (summary["step"], summary["settings"]["steps"]) == (STEPS, STEPS)
        assert summary["held_out_loss"] == {"best": later, "last": later}
        assert summary["training_loss"]["step"] == STEPS

    def test_a_log_that_is_damaged(self, adapted: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        damaged, out = tmp_path / "damaged", tmp_path / "merged"
        shutil.copytree(adapted.path, damaged)
        (damaged / "metrics.jsonl").write_text('{"loss": 2.5}\n')
        assert weft_command(["merge", str(damaged), "--out", str(out)]) == 2
        assert f"{damaged / 'metrics.jsonl'} is damaged" in "".join(capsys.readouterr().err.splitlines())
        assert not out.exists()

    def test_by_command(self, adapted: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ["merge", str(adapted.path), "--out", str(tmp_path / "merged"), "--checkpoint", "last", "--json"]
        assert weft_command(command) == 0
        assert json.loads(capsys.readouterr().out)["step"] == STEPS
        assert weft_command(["merge", str(tmp_path / "merged"), "--out", str(tmp_path / "again")]) == 2
        assert "has no adapters" in capsys.readouterr().err


@pytest.mark.usefixtures("notes_plugin")
class TestFurtherModalities:
    def test_ids_never_move_and_the_old_ones_still_work(
        self, tiny_train: Any, tmp_path: Path, notes_folders: dict[str, Path], text_run: weft.Run
    ) -> None:
        run = tiny_train(notes_folders["captioned corpus"], tmp_path / "run", steps=60, init_from=text_run)
        before = Vocabulary.from_json(text_run.folder.manifest.vocabulary)
        after = Vocabulary.from_json(run.folder.manifest.vocabulary)
        assert after.block("text") == before.block("text")
        assert after.specials.items() > before.specials.items()
        assert after.block("notes")[0] >= before.size
        assert run.folder.manifest.modalities == ["notes", "text"]
        tune = run.generate("high tune", to="notes", seed=1)[0]
        assert all(0 <= pitch < 8 and 0 <= length < 4 for pitch, length in tune.payload)
        assert text_after(run).startswith("The cat")

    def test_a_part_of_what_the_run_knows(
        self, tiny_train: Any, tmp_path: Path, notes_folders: dict[str, Path], text_corpus: weft.Corpus
    ) -> None:
        before = weft.load(notes_folders["mixed run"])
        assert isinstance(before, weft.Run)
        run = tiny_train(text_corpus, tmp_path / "run", steps=2, init_from=before, lora=RANK)
        assert run.folder.manifest.vocabulary == before.folder.manifest.vocabulary
        assert run.folder.manifest.conditional == ["notes"]
        shutil.rmtree(tmp_path / "nothing", ignore_errors=True)
        for each in (run, weft.merge(run, out=tmp_path / "merged")):
            assert each.generate("high tune", to="notes", seed=1)[0].modality == "notes"

    def test_adapters_learn_no_new_ids(
        self, tiny_train: Any, tmp_path: Path, notes_folders: dict[str, Path], text_run: weft.Run
    ) -> None:
        with pytest.raises(weft.OptionError, match=r"knows no notes, and the adapter of its table has too low a rank"):
            tiny_train(notes_folders["captioned corpus"], tmp_path / "run", init_from=text_run, lora=RANK)
        assert not (tmp_path / "run").exists()

    def test_another_codec(
        self, tiny_train: Any, workshop: Path, tmp_path: Path, notes_folders: dict[str, Path]
    ) -> None:
        other = weft.prepare(workshop / "plain", out=tmp_path / "other", options={"notes.pitches": 12})
        with pytest.raises(weft.TrainingError, match=r"weft prepare \S+plain --codec \S+captioned --out \S+"):
            tiny_train(other, tmp_path / "run", init_from=notes_folders["captioned run"])

    def test_another_objective(
        self, tiny_train: Any, tmp_path: Path, notes_folders: dict[str, Path], text_run: weft.Run, monkeypatch: Any
    ) -> None:
        class Other(NextTokenTrainer):
            pass

        monkeypatch.setattr(
            Registry, "trainer_class", lambda _, modality: Other if modality == "notes" else NextTokenTrainer
        )
        with pytest.raises(weft.TrainingError, match=r"learned by Other, but .* trained on text by NextTokenTrainer"):
            tiny_train(notes_folders["plain corpus"], tmp_path / "run", init_from=text_run)


class TestRefusals:
    def refused(self, tiny_train: Any, corpus: weft.Corpus, out: Path, match: str, **options: Any) -> None:
        with pytest.raises(weft.WeftError, match=match):
            tiny_train(corpus, out, **{"steps": 1, **options})
        assert not out.exists()

    def test_not_a_run(self, tiny_train: Any, text_corpus: weft.Corpus, tmp_path: Path) -> None:
        for place, match in ((tmp_path / "nowhere", "does not exist"), (text_corpus.path, "is a corpus, not a run")):
            self.refused(tiny_train, text_corpus, tmp_path / "run", match, init_from=place)

    def test_a_run_without_weights(
        self, tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path
    ) -> None:
        shutil.copytree(text_run.path, tmp_path / "before", ignore=shutil.ignore_patterns("checkpoints"))
        self.refused(tiny_train, text_corpus, tmp_path / "run", "has no checkpoint yet", init_from=tmp_path / "before")

    def test_another_size(self, tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path) -> None:
        match = "size 'nano' is not that of .*'tiny'"
        self.refused(tiny_train, text_corpus, tmp_path / "run", match, init_from=text_run, size="nano")

    def test_adapters_beside_nothing(self, tiny_train: Any, text_corpus: weft.Corpus, tmp_path: Path) -> None:
        self.refused(tiny_train, text_corpus, tmp_path / "run", "name a run by --init-from", lora=4)

    @pytest.mark.parametrize("rank", [0, 32])
    def test_a_rank_that_is_none(
        self, tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path, rank: int
    ) -> None:
        self.refused(tiny_train, text_corpus, tmp_path / "run", "lora", init_from=text_run, lora=rank)

    def test_into_the_run_itself(self, tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run) -> None:
        before = hash_folder(text_run.path)
        with pytest.raises(weft.FolderError):
            tiny_train(text_corpus, text_run.path, steps=1, init_from=text_run, force=True)
        assert hash_folder(text_run.path) == before

    def test_going_on_from_another_run(
        self, whole: weft.Run, other_corpus: weft.Corpus, text_run: weft.Run, answer_run: weft.Run
    ) -> None:
        before = hash_folder(whole.path)
        weft.train(other_corpus, out=whole.path, resume=True, init_from=text_run)
        assert hash_folder(whole.path) == before
        with pytest.raises(weft.OptionError, match="init_from was"):
            weft.train(other_corpus, out=whole.path, resume=True, init_from=answer_run)
        with pytest.raises(weft.OptionError, match="lora was None, now 4"):
            weft.train(other_corpus, out=whole.path, resume=True, lora=4)
