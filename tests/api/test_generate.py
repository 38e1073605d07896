"""``weft.load(run).generate``: seeds, prompts, limits and refusals, on real runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.codecs.bpe import ByteLevelBPE
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.generation import session as session_module
from weft.generation.engine import Engine
from weft.generation.session import Session
from weft.interfaces.progress import Silent
from weft.plugins.registry import get_registry
from weft.preparation.joint import reencode
from weft.storage.checkpoints import TrainingState
from weft.training.data import rows_of
from weft.training.material import gather

PROMPT = "The cat"


def tokens(artifacts: list[weft.Artifact[Any]]) -> list[list[int]]:
    return [list(artifact.drawn.tokens) for artifact in artifacts]


def codec(run: weft.Run) -> ByteLevelBPE:
    return ByteLevelBPE.load(run.folder.codec_folder("text"))


def written(run: weft.Run, ids: Sequence[int]) -> str:
    """The text of ids of the run's codec."""
    return codec(run).decode([np.array(ids, dtype=np.int32)])[0]


class TestSeeds:
    def test_one_seed_gives_the_same_artifacts(self, text_run: weft.Run) -> None:
        one, two = (text_run.generate(PROMPT, n=3, seed=4, max_tokens=20) for _ in range(2))
        assert tokens(one) == tokens(two)
        assert [a.payload for a in one] == [a.payload for a in two]
        fresh = weft.load(text_run.path)
        assert isinstance(fresh, weft.Run)
        assert tokens(fresh.generate(PROMPT, n=3, seed=4, max_tokens=20)) == tokens(one)

    def test_artifact_3_of_8_is_the_single_one_of_its_seed(self, text_run: weft.Run) -> None:
        batch = text_run.generate(PROMPT, n=8, seed=10, max_tokens=40, precision="float64")
        single = text_run.generate(PROMPT, n=1, seed=13, max_tokens=40, precision="float64")[0]
        assert batch[3].drawn.tokens == single.drawn.tokens
        assert batch[3].payload == single.payload
        assert [artifact.seed for artifact in batch] == list(range(10, 18))
        assert batch[3].settings == single.settings
        assert len({tuple(row) for row in tokens(batch)}) > 1

    @pytest.mark.usefixtures("notes_plugin")
    def test_so_it_is_with_guidance_in_another_modality(self, notes_folders: dict[str, Path]) -> None:
        run = weft.load(notes_folders["captioned run"])
        assert isinstance(run, weft.Run)
        options = {"guidance": 2.0, "precision": "float64"}
        batch = run.generate("high tune", n=8, seed=10, **options)
        assert batch[3].drawn.tokens == run.generate("high tune", n=1, seed=13, **options)[0].drawn.tokens

    def test_without_a_seed_one_is_picked_and_reported(self, text_run: weft.Run) -> None:
        first = text_run.generate(PROMPT, max_tokens=30)[0]
        again = text_run.generate(PROMPT, max_tokens=30, seed=first.seed)[0]
        assert again.drawn.tokens == first.drawn.tokens
        assert text_run.generate(PROMPT, max_tokens=1)[0].seed != first.seed


class TestText:
    def test_a_prompt_is_continued_as_typed(self, text_run: weft.Run) -> None:
        artifact = text_run.generate("The  cat\r\nsees", seed=0, max_tokens=8)[0]
        assert artifact.payload.startswith("The  cat\nsees")
        assert artifact.prompt == "The  cat\nsees"
        given_ids = codec(text_run).encode([artifact.prompt])[0].tolist()
        assert written(text_run, [*given_ids, *artifact.drawn.tokens]) == artifact.payload
        assert len(artifact.drawn.tokens) == len(artifact.drawn.log_probabilities) == 8
        assert all(log <= 0 for log in artifact.drawn.log_probabilities)
        assert not artifact.drawn.finished

    @pytest.mark.parametrize("prompt", [None, ""])
    def test_no_prompt_is_no_prompt(self, text_run: weft.Run, prompt: str | None) -> None:
        artifact = text_run.generate(prompt, seed=3, max_tokens=12)[0]
        assert artifact.prompt is None
        assert artifact.drawn.tokens == text_run.generate(seed=3, max_tokens=12)[0].drawn.tokens

    def test_a_prompt_longer_than_the_context(self, text_run: weft.Run) -> None:
        prompt = " ".join(["The cat sees the dog, and then"] * 30)
        artifact = text_run.generate(prompt, seed=3, max_tokens=50, precision="float64")[0]
        assert len(codec(text_run).encode([prompt])[0]) > 4 * text_run.folder.manifest.model["context_length"]
        assert artifact.payload.startswith(prompt)
        assert 1 <= len(artifact.drawn.tokens) <= 50
        end = text_run.generate(prompt[len(prompt) // 2 :], seed=3, max_tokens=1, precision="float64")[0]
        assert end.drawn.tokens == artifact.drawn.tokens[:1]

    def test_a_prompt_that_utf8_cannot_hold(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.OptionError, match="surrogate"):
            text_run.generate("a\ud800")

    @pytest.mark.parametrize("limit", [1, 7])
    def test_max_tokens(self, text_run: weft.Run, limit: int) -> None:
        for artifact in text_run.generate(PROMPT, n=4, seed=0, temperature=2.0, max_tokens=limit):
            assert 1 <= len(artifact.drawn.tokens) <= limit

    def test_temperature_zero_is_one_text(self, text_run: weft.Run) -> None:
        one, two = text_run.generate(PROMPT, n=2, seed=0, temperature=0, max_tokens=20)
        assert one.payload == two.payload

    def test_creativity_sets_the_temperature(self, text_run: weft.Run) -> None:
        artifact = text_run.generate(PROMPT, creativity="precise", seed=0, max_tokens=5)[0]
        assert artifact.settings.temperature == 0.2
        assert artifact.settings == text_run.generate(PROMPT, temperature=0.2, seed=0, max_tokens=5)[0].settings

    def test_settings_give_the_artifact_again(self, text_run: weft.Run) -> None:
        artifact = text_run.generate(PROMPT, n=3, seed=5, creativity="creative", top_k=9, max_tokens=20)[2]
        options = {name: getattr(artifact.settings, name) for name in artifact.settings.__dataclass_fields__}
        assert text_run.generate(artifact.prompt, **options)[0].drawn.tokens == artifact.drawn.tokens


@given(seed=st.integers(0, 10_000), temperature=st.sampled_from([0.0, 0.7, 1.5, 4.0]), prompt=st.sampled_from(
    [None, "The cat", "Zażółć\r\n gęślą", "\n\n"]
), stop=st.sampled_from([(), (".",), ("the ", "e"), ("number 1", "\n")]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_streamed_text_is_the_whole(
    text_run: weft.Run, seed: int, temperature: float, prompt: str | None, stop: tuple[str, ...]
) -> None:
    options: dict[str, Any] = {"seed": seed, "temperature": temperature, "max_tokens": 25, "stop": stop}
    whole = text_run.generate(prompt, **options)[0]
    assert "".join(text_run.stream(prompt, **options)) == whole.payload
    beginning = whole.prompt or ""
    assert whole.payload.startswith(beginning)
    assert not any(each in whole.payload[len(beginning) :] for each in stop)


class TestStop:
    def test_a_text_ends_before_the_string(self, text_run: weft.Run) -> None:
        free = text_run.generate(PROMPT, seed=1, temperature=0, max_tokens=60)[0].payload
        word = free[len(PROMPT) :].split()[2]
        stopped = text_run.generate(PROMPT, seed=1, temperature=0, max_tokens=60, stop=[word])[0]
        assert stopped.payload == free[: free.index(word, len(PROMPT))]
        assert stopped.drawn.finished

    def test_what_was_given_does_not_stop(self, text_run: weft.Run) -> None:
        artifact = text_run.generate("The cat sees", seed=1, temperature=0, max_tokens=4, stop=["cat"])[0]
        assert artifact.payload.startswith("The cat sees")
        assert len(artifact.payload) > len("The cat sees")

    def test_line_breaks_of_the_prompt_do_not_move_the_end(self, text_run: weft.Run) -> None:
        """Typed with \\r\\n, a prompt is longer than what is continued."""
        prompt = "The\r\n\r\n\r\n\r\ncat"
        free = text_run.generate(prompt, seed=1, temperature=0, max_tokens=20)[0]
        first = free.payload[len("The\n\n\n\ncat") :][:1]
        stopped = text_run.generate(prompt, seed=1, temperature=0, max_tokens=20, stop=[first])[0]
        assert stopped.payload == "The\n\n\n\ncat"

    def test_an_answer_ends_before_the_string_wherever_it_stands(self, answer_run: weft.Run) -> None:
        """The prompt is no part of an answer, so its length must not count."""
        prompt = "Who sees the cat, the dog and the fish?"
        options: dict[str, Any] = {"seed": 1, "temperature": 0, "max_tokens": 40}
        free = answer_run.generate(prompt, **options)[0].payload
        stopped = answer_run.generate(prompt, stop=[free[3:5]], **options)[0].payload
        assert stopped == free[: free.index(free[3:5])]
        assert "".join(answer_run.stream(prompt, stop=[free[3:5]], **options)) == stopped

    def test_an_empty_string_is_refused(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.OptionError, match="a stop text must not be empty"):
            text_run.generate(PROMPT, stop=[".", ""])


class TestAnswers:
    def test_a_prompt_is_a_condition(self, answer_run: weft.Run) -> None:
        artifact = answer_run.generate("Who sees cat 3?", seed=2, max_tokens=15)[0]
        assert artifact.prompt == "Who sees cat 3?"
        assert artifact.payload == written(answer_run, artifact.drawn.tokens)
        other = answer_run.generate("Who sees cat 3?", seed=2, max_tokens=15, guidance=3.0)[0]
        assert other.settings.guidance == 3.0

    def test_a_prompt_that_leaves_no_room(self, answer_run: weft.Run) -> None:
        """Its beginning, with the marker of the prompt, would fall out of the context before the answer begins."""
        context = answer_run.folder.manifest.model["context_length"]
        markers = 2
        (ids,) = codec(answer_run).encode(["?" * context])
        assert len(ids) == context
        fits = "?" * (context - markers)
        assert answer_run.generate(fits, seed=0, max_tokens=3)[0].prompt == fits
        for use in (answer_run.generate, answer_run.stream):
            with pytest.raises(weft.GenerationError, match=r"text needs room for 1, more than .* use a shorter prompt"):
                use(fits + "?", max_tokens=3)

    def test_the_loss_is_on_the_response_alone(self, answer_corpus: weft.Corpus, answer_run: weft.Run) -> None:
        texts = answer_corpus.folder
        material = gather([texts], get_registry(), texts.codec_folder("text"), reencode)
        vocabulary = Vocabulary.from_json(answer_run.folder.manifest.vocabulary)
        rows = rows_of(material.sources, Sequences(vocabulary), 128, held_out=False, seed=None)
        offset, _ = vocabulary.block("text")
        answers = {s.prompt: s.payload for s in texts.samples(get_registry().payload_format("text"))}
        for row in (rows.draw(index, 0) for index in range(len(rows))):
            learned = [int(i) - offset for i in row.ids[row.learned][:-1]]
            condition = [int(i) - offset for i in row.ids[~row.learned] if i >= offset]
            assert written(answer_run, learned) == answers[written(answer_run, condition)]

    def test_it_says_so(self, answer_run: weft.Run, text_run: weft.Run) -> None:
        assert answer_run.summary()["conditional"] == ["text"]
        assert text_run.summary()["conditional"] == []


@pytest.mark.usefixtures("notes_plugin")
class TestAnotherModality:
    @pytest.fixture
    def run(self, notes_folders: dict[str, Path]) -> Callable[[str], Any]:
        return lambda name: weft.load(notes_folders[f"{name} run"])

    def test_payloads_follow_the_pattern_and_the_lengths(self, run: Callable[[str], Any]) -> None:
        low, high = run("captioned").folder.manifest.lengths["notes"]
        for artifact in run("captioned").generate("low tune", n=6, seed=0, temperature=3.0):
            assert low <= len(artifact.drawn.tokens) <= high
            assert all(0 <= pitch < 8 and 0 <= length < 4 for pitch, length in artifact.payload)

    def test_the_prompt_is_followed(self, run: Callable[[str], Any]) -> None:
        for prompt, pitches in (("high tune", {6, 7}), ("low  tune\n", {1, 2})):
            artifacts = run("captioned").generate(prompt, n=8, seed=0, temperature=0.5)
            drawn = [pitch for artifact in artifacts for pitch, _ in artifact.payload]
            assert sum(pitch in pitches for pitch in drawn) > 0.8 * len(drawn)
            assert artifacts[0].prompt == " ".join(prompt.split())

    def test_seconds_set_the_length(self, run: Callable[[str], Any]) -> None:
        assert [len(a.payload) for a in run("plain").generate(n=3, seconds=2.0, seed=0)] == [4, 4, 4]
        with pytest.raises(weft.GenerationError, match="longer than the longest clip"):
            run("plain").generate(seconds=60.0)

    @pytest.mark.parametrize(("limit", "notes"), [(1, 1), (2, 1), (5, 2), (6, 3)])
    def test_max_tokens_cuts_to_whole_units(self, run: Callable[[str], Any], limit: int, notes: int) -> None:
        for artifact in run("plain").generate(n=4, max_tokens=limit, seed=0):
            assert 1 <= len(artifact.payload) <= notes

    def test_a_prompt_for_a_run_without_captions(self, run: Callable[[str], Any]) -> None:
        with pytest.raises(weft.GenerationError, match="trained on notes without captions and cannot follow a prompt"):
            run("plain").generate("high tune")

    def test_a_prompt_that_leaves_no_room(self, run: Callable[[str], Any]) -> None:
        with pytest.raises(weft.GenerationError, match="use a shorter prompt"):
            run("captioned").generate("high " * 60)

    def test_stop_strings_are_for_text(self, run: Callable[[str], Any]) -> None:
        with pytest.raises(weft.GenerationError, match="--stop is for text, not for notes"):
            run("plain").generate(stop=["x"])

    def test_notes_cannot_be_streamed(self, run: Callable[[str], Any]) -> None:
        with pytest.raises(weft.GenerationError, match="cannot make 'text'; it was trained on notes"):
            run("plain").stream()

    def test_artifacts_are_saved(self, run: Callable[[str], Any], tmp_path: Path) -> None:
        artifact = run("captioned").generate("high tune", seed=3)[0]
        path = artifact.save(tmp_path)
        assert path == tmp_path / "high-tune-3.notes"
        assert artifact.format.from_bytes(path.read_bytes()) == artifact.payload


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"temperature": 0.5, "creativity": "precise"}, "--creativity sets the temperature"),
            ({"creativity": "wild"}, "creativity 'wild' is unknown; choose one of precise, balanced, creative"),
            ({"temperature": -1}, "temperature must be between 0 and 100, got -1"),
            ({"temperature": float("nan")}, "temperature must be between"),
            ({"top_p": 0}, "top_p must be between"),
            ({"min_p": 2}, "min_p must be between"),
            ({"top_k": -1}, "top_k must be between"),
            ({"guidance": -1}, "guidance must be between"),
            ({"repetition_penalty": 0}, "repetition_penalty must be between"),
            ({"n": 0}, "n must be between"),
            ({"seed": -1}, "seed must be between"),
            ({"max_tokens": 0}, "max_tokens must be between"),
            ({"seconds": 0}, "seconds must be between"),
            ({"checkpoint": "first"}, "checkpoint must be 'best', 'last' or the number of a step, got 'first'"),
            ({"precision": "float16"}, "precision must be 'float32' or 'float64', got 'float16'"),
            ({"device": "toaster"}, "device 'toaster' is not available here"),
        ],
    )
    def test_a_value_that_cannot_be_used(self, text_run: weft.Run, options: dict[str, Any], expected: str) -> None:
        with pytest.raises(weft.OptionError, match=expected):
            text_run.generate(PROMPT, **options)

    def test_a_modality_that_the_run_does_not_make(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.GenerationError, match="this run cannot make 'image'; it was trained on text"):
            text_run.generate(PROMPT, to="image")

    def test_text_has_no_duration(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.GenerationError, match="text has no duration; leave out --seconds"):
            text_run.generate(PROMPT, seconds=2.0)

    def test_an_unknown_option_of_a_stream(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.OptionError, match="unknown sampling option heat"):
            text_run.stream(PROMPT, heat=1)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"threads": 0}, "threads must be at least 1, got 0"),
            ({"temperature": -1.0}, "temperature must be between"),
            ({"temperature": 1.0, "creativity": "precise"}, "creativity sets the temperature"),
            ({"checkpoint": "first"}, "checkpoint must be 'best', 'last' or the number of a step, got 'first'"),
            ({"device": "toaster"}, "device 'toaster' is not available here"),
        ],
    )
    def test_a_stream_refuses_a_value_before_it_is_read(
        self, text_run: weft.Run, options: dict[str, Any], expected: str
    ) -> None:
        before = torch.get_num_threads()
        with pytest.raises(weft.OptionError, match=expected):
            text_run.stream(PROMPT, **options)
        assert torch.get_num_threads() == before


def test_threads_are_as_many_as_asked_for_and_then_as_before(
    text_run: weft.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), []
    whole = Engine.steps

    def steps(engine: Engine, *positional: Any) -> Any:
        for step in whole(engine, *positional):
            seen.append(torch.get_num_threads())
            yield step

    monkeypatch.setattr(Engine, "steps", steps)
    text_run.generate(PROMPT, max_tokens=3, threads=before + 1)
    outside = [torch.get_num_threads() for _ in text_run.stream(PROMPT, max_tokens=3, threads=before + 1)]
    assert set(seen) == {before + 1}
    assert set(outside) == {before}


def test_generating_leaves_the_random_state_alone(text_run: weft.Run) -> None:
    """That of a run whose weights are read only now, too."""
    fresh = weft.load(text_run.path)
    assert isinstance(fresh, weft.Run)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    fresh.generate(PROMPT, n=2, max_tokens=3)
    assert torch.equal(torch.rand(2), expected)


def test_a_model_of_its_own_is_a_sentence(text_run: weft.Run, tmp_path: Path) -> None:
    """A plugin's trainer may build another network; core's engine samples the Transformer alone."""
    run = weft.load(shutil.copytree(text_run.path, tmp_path / "run"))
    assert isinstance(run, weft.Run)
    own = TrainingState(99, {"recurrent.weight": torch.zeros(3, 3)}, {})
    run.folder.checkpoints.save(own, best=True)
    with pytest.raises(
        weft.FolderError, match="trained a model of its own, which core's engine cannot sample"
    ) as found:
        run.generate(PROMPT)
    assert "\n" not in str(found.value)


class TestDoublePrecisionOnAMac:
    """MPS has no float64."""

    @pytest.fixture(autouse=True)
    def mac(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def pick(name: str | None = None) -> torch.device:
            return torch.device(name or "mps")

        monkeypatch.setattr(session_module, "pick_device", pick)

    def test_without_a_device_the_cpu_is_taken(self, text_run: weft.Run) -> None:
        session = Session(text_run.folder, get_registry(), precision="float64")
        (artifact,) = session.artifacts(PROMPT, None, weft.SamplingOptions(max_tokens=3, seed=0), None, Silent())
        assert (
            artifact.drawn.tokens
            == text_run.generate(PROMPT, seed=0, max_tokens=3, precision="float64")[0].drawn.tokens
        )

    def test_a_device_that_was_named_is_refused(self, text_run: weft.Run) -> None:
        with pytest.raises(weft.OptionError, match="device 'mps' has no float64; use device 'cpu'"):
            Session(text_run.folder, get_registry(), precision="float64", device="mps")
