"""Small corpora and runs for whole-way tests: a few sentences, prompts with responses, and a modality of notes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.interfaces.progress import Silent
from weft.models.sizes import SIZES, Size
from weft.plugins.registry import reset_registry

TINY = Size(
    layers=2,
    width=32,
    heads=2,
    kv_heads=1,
    head_size=16,
    hidden=96,
    learning_rate=0.02,
    tokens_per_step=256,
    text_context=32,
    training_tokens=10_000,
)
"""A position of the dial for tests: a step takes a few milliseconds."""

NOUNS = ("cat", "dog", "bird", "fish", "horse", "mouse")
VERBS = ("sees", "likes", "hears", "follows", "fears")

NOTES_ENTRY = """
import weft

@weft.hookimpl
def register_modalities(register):
    register(weft.Modality(
        name="notes", extensions={".notes"}, summary="tunes for tests", preparer="fake_notes.parts:NotesPreparer",
        payload="fake_notes.parts:NotesFormat", codecs={"notes-pairs": "fake_notes.parts:NotesCodec"},
        generator="weft.generation.token_generator:TokenGenerator", options="fake_notes.parts:Options",
    ))
"""

NOTES_PARTS = '''
"""A tune a line: pairs of pitch (0-7) and length (0-3). The folder is the caption; a pair is a unit of two tokens."""

import json
from dataclasses import dataclass

import numpy as np

import weft


@dataclass(frozen=True)
class Options:
    pitches: int = weft.option(8, "pitches that the codec knows", minimum=8)


class NotesFormat(weft.PayloadFormat):
    extension = ".notes"

    def to_bytes(self, payload):
        return json.dumps(payload).encode()

    def from_bytes(self, data):
        return [tuple(pair) for pair in json.loads(data)]

    def html(self, payload, path, *, title):
        return ""


class NotesCodec(weft.Codec):
    name = "notes-pairs"

    def __init__(self, pitches):
        self.pitches = pitches

    @property
    def vocab_size(self):
        return self.pitches + 4

    def encode(self, payloads):
        return [np.array([i for p, d in tune for i in (p, self.pitches + d)], np.int32) for tune in payloads]

    def decode(self, ids):
        return [[(int(p), int(d) - self.pitches) for p, d in each.reshape(-1, 2)] for each in ids]

    def facts(self):
        return weft.CodecFacts(((0, self.pitches), (self.pitches, self.pitches + 4)), unit=2, tokens_per_second=4.0)

    def save(self, folder):
        (folder / "notes.json").write_text(json.dumps(self.pitches))

    @classmethod
    def load(cls, folder):
        return cls(json.loads((folder / "notes.json").read_text()))


class NotesPreparer(weft.Preparer):
    def read(self, item):
        for line in item.read_bytes().decode().splitlines():
            words = [int(word) for word in line.split()]
            yield weft.Sample(list(zip(words[::2], words[1::2], strict=True)), item.caption())

    def clean(self, sample):
        return sample

    def fit_codec(self, samples, held_out, fit):
        return weft.FittedCodec(NotesCodec(self.options.pitches))
'''


class Notes(Silent):
    """A reporter that remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def sentences(count: int, start: int = 0) -> list[str]:
    """Simple English, no two alike."""
    lines = []
    for i in range(start, start + count):
        first, second = NOUNS[i % 6], NOUNS[(i // 30 + i + 1) % 6]
        lines.append(f"The {first} {VERBS[i // 6 % 5]} the {second}, and then number {i} goes home.")
    return lines


def train_tiny(corpus: Any, out: Path, **options: Any) -> weft.Run:
    """``weft.train`` with the size ``tiny``."""
    given = {"size": "tiny", "steps": 40, "batch_size": 4, "threads": 1, "device": "cpu", "previews": 0, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        return weft.train(corpus, out=out, **given)


@pytest.fixture(scope="session")
def tiny_train() -> Callable[..., weft.Run]:
    return train_tiny


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sources: ``prose.txt``, ``more.txt`` in other words, ``questions.jsonl``, ``tunes`` with captions and
    ``plain`` without."""
    root = tmp_path_factory.mktemp("workshop")
    (root / "prose.txt").write_text("\n".join(sentences(60)) + "\n")
    (root / "more.txt").write_text("\n".join(f"{i} x {i} makes {i * i}; so it is written." for i in range(60)))
    answers = [{"prompt": f"Who {VERBS[i % 5]} {NOUNS[i % 6]} {i}?", "response": sentences(1, i)[0]} for i in range(40)]
    (root / "questions.jsonl").write_text("\n".join(map(json.dumps, answers)))
    for name, pitch in (("high_tune", 6), ("low_tune", 1)):
        (root / "tunes" / name).mkdir(parents=True)
        (root / "plain").mkdir(exist_ok=True)
        for i in range(20):
            tune = " ".join(f"{(pitch + (i + j) % 2)} {(i // 2 + j) % 4}" for j in range(3 + i % 3))
            (root / "tunes" / name / f"{i}.notes").write_text(f"{tune} {pitch} {i // 4 % 4}")
            (root / "plain" / f"{name}-{i}.notes").write_text(f"{tune} {pitch} {i // 4 % 4}")
    return root


@pytest.fixture(scope="session")
def text_corpus(workshop: Path) -> weft.Corpus:
    return weft.prepare(workshop / "prose.txt", out=workshop / "corpora" / "prose")


@pytest.fixture(scope="session")
def text_run(workshop: Path, text_corpus: weft.Corpus) -> weft.Run:
    """Forty steps on sixty sentences."""
    return train_tiny(text_corpus, workshop / "runs" / "prose")


@pytest.fixture(scope="session")
def answer_corpus(workshop: Path) -> weft.Corpus:
    return weft.prepare(workshop / "questions.jsonl", out=workshop / "corpora" / "answers")


@pytest.fixture(scope="session")
def answer_run(workshop: Path, answer_corpus: weft.Corpus) -> weft.Run:
    """Trained on prompts with responses."""
    return train_tiny(answer_corpus, workshop / "runs" / "answers")


@contextmanager
def _installed(site: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", str(site), prepend=":")
        importlib.invalidate_caches()
        reset_registry()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fake_notes"]:
        del sys.modules[name]
    reset_registry()


@pytest.fixture(scope="session")
def notes_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin for notes lies; nothing finds it there until it is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "fake_notes").mkdir()
    (site / "fake_notes" / "__init__.py").write_text(NOTES_ENTRY)
    (site / "fake_notes" / "parts.py").write_text(NOTES_PARTS)
    info = site / "fake_notes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-notes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[weft]\nfake_notes = fake_notes\n")
    return site


@pytest.fixture
def notes_plugin(notes_site: Path) -> Iterator[None]:
    """The modality ``notes``, for one test."""
    with _installed(notes_site):
        yield


@pytest.fixture(scope="session")
def notes_folders(workshop: Path, notes_site: Path, text_corpus: weft.Corpus) -> dict[str, Path]:
    """Corpora and runs of notes, ``captioned`` and ``plain``, and a ``mixed run`` of text and captioned notes."""
    folders = {}
    with _installed(notes_site):
        for name, source in (("captioned", "tunes"), ("plain", "plain")):
            corpus = weft.prepare(workshop / source, out=workshop / "corpora" / name)
            run = train_tiny(corpus, workshop / "runs" / name, steps=60)
            folders |= {f"{name} corpus": corpus.path, f"{name} run": run.path}
        mixture = [text_corpus, folders["captioned corpus"]]
        run = train_tiny(mixture, workshop / "runs" / "mixed", steps=240, mix="text=1,notes=4")
        folders["mixed run"] = run.path
    return folders
