"""A small modality of its own, so that stage 1 is tested without the plugins.

A ``.mel`` file holds a melody a line: numbers with spaces between. Some words in a file make its decoder misbehave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from weft.interfaces.progress import Silent
from weft.interfaces.source import Source
from weft.plugins.discovery import discover
from weft.plugins.metadata import installed_plugins
from weft.plugins.registry import Registry
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.storage.corpus import CorpusFolder

ENTRY = """
import weft

@weft.hookimpl
def register_modalities(register):
    for name, extension in (("melody", ".mel"), ("rhyme", ".rhyme")):
        register(weft.Modality(
            name=name, extensions={extension}, summary="for tests",
            preparer=f"fake_melody.parts:{name.title()}Preparer", payload=f"fake_melody.parts:{name.title()}Format",
            codecs={f"fake-{name}": f"fake_melody.parts:{name.title()}Codec"},
            generator="fake_melody.parts:Generator", options="fake_melody.parts:Options",
        ))

@weft.hookimpl
def register_filters(register):
    register("melody", "fake_melody.parts:NoThirteen")
"""

PARTS = '''
from __future__ import annotations

import io
import json
import os
import time
from dataclasses import dataclass, replace

import numpy as np

import weft


@dataclass(frozen=True)
class Options:
    longest: int | None = weft.option(None, "notes a melody may have", minimum=1)
    shortest: int = weft.option(2, "notes a melody must have", minimum=1)
    shelf: str = weft.option("", "where the sheet music is kept", place=True)
    near: bool = weft.option(False, "melodies are the same where no note differs by more than one")
    shared: bool = weft.option(False, "notes that half of the melodies have are left out")


class MelodyFormat(weft.PayloadFormat):
    extension = ".mel"

    def to_bytes(self, payload):
        return json.dumps(payload).encode()

    def from_bytes(self, data):
        return json.loads(data)

    def html(self, payload, path, *, title):
        return ""


class RhymeFormat(weft.PayloadFormat):
    extension = ".rhyme"

    def to_bytes(self, payload):
        return payload.encode()

    def from_bytes(self, data):
        return data.decode()

    def html(self, payload, path, *, title):
        return ""


class Short(weft.Filter):
    name, on = "short", "raw"

    def __init__(self, shortest):
        self.shortest = shortest

    def check(self, sample):
        return weft.Reason("short", "too few notes") if len(sample.payload) < self.shortest else None


class Silent(weft.Filter):
    name = "silent"

    def check(self, sample):
        if 99 in sample.payload:
            raise ZeroDivisionError("filter")
        return None if any(sample.payload) else weft.Reason("silent")


class NoThirteen(weft.Filter):
    name = "thirteen"

    def check(self, sample):
        return weft.Reason("unlucky") if 13 in sample.payload else None


class Near(weft.NearDuplicates):
    """Melodies with a note in common at the same place are candidates; the longest original is the best."""

    def sign(self, payloads):
        return [
            weft.Signature(
                np.array([1000 * place + note for place, note in enumerate(payload)], np.uint64),
                np.array([len(payload)], np.uint64),
            )
            for payload in payloads
        ]

    def close(self, sketch, others):
        return others[:, 0] == sketch[0]

    def same(self, a, b):
        return len(a) == len(b) and all(abs(x - y) <= 1 for x, y in zip(a, b))

    def rank(self, sample):
        return sample.figures["notes"]


class SharedNotes(weft.Boilerplate):
    def limit(self, samples):
        return samples // 2

    def parts(self, payload):
        return np.array(payload, np.uint64)

    def without(self, payload, shared):
        return [note for note in payload if note not in shared]


class Portion:
    """A part of the lines of a file."""

    def __init__(self, data):
        self.data = data

    def __call__(self):
        return io.BytesIO(self.data)


class MelodyCodec(weft.Codec):
    """Knows the notes it was fitted on; the id of any other is 0."""

    name = "fake-melody"

    def __init__(self, notes):
        self.notes = notes
        self.batches = []

    @property
    def vocab_size(self):
        return len(self.notes) + 1

    def encode(self, payloads):
        self.batches.append(len(payloads))
        return [np.array([self.notes.index(n) + 1 if n in self.notes else 0 for n in p], np.int32) for p in payloads]

    def decode(self, ids):
        return [[self.notes[i - 1] for i in each] for each in ids]

    def facts(self):
        return weft.CodecFacts(((0, self.vocab_size),))

    def save(self, folder):
        (folder / "notes.json").write_text(json.dumps(self.notes))

    @classmethod
    def load(cls, folder):
        return cls(json.loads((folder / "notes.json").read_text()))


class RhymeCodec(MelodyCodec):
    name = "fake-rhyme"


class MelodyPreparer(weft.Preparer):
    codec = MelodyCodec

    @classmethod
    def resolve(cls, options, items):
        longest = max(len(item.read_bytes()) for item in items)
        return options if options.longest is not None else replace(options, longest=longest)

    def read(self, item):
        text = item.read_bytes().decode()
        errors = {"CRASH": ValueError("bad\\nnotes"), "MEMORY": MemoryError(), "STOP": KeyboardInterrupt(),
                  "POLITE": weft.UnreadableError("not a melody"), "PLUGIN": weft.PluginError("install libmelody")}
        for line in text.splitlines():
            if line in errors:
                raise errors[line]
            if line == "DIE":
                os._exit(7)
            if line == "EXIT":
                raise SystemExit(3)
            if line == "HANG":
                time.sleep(1000)
            if line == "broken":
                yield weft.Unreadable("broken line")
            else:
                notes = [int(word) for word in line.split()]
                yield weft.Sample(notes, item.caption(), {"notes": len(notes)})

    def clean(self, sample):
        if sample.payload[0] == 666:
            raise RuntimeError("cannot be cleaned")
        return weft.Sample(sample.payload[: self.options.longest], sample.prompt, {"cleaned": 1})

    def near(self):
        return Near() if self.options.near else None

    def boilerplate(self):
        return SharedNotes() if self.options.shared else None

    def portions(self, item):
        try:
            pieces = item.read_bytes().split(b"==\\n")
        except OSError:
            pieces = ()
        if len(pieces) < 2:
            return [item]
        return [replace(item, open=Portion(piece), size=len(piece)) for piece in pieces]

    def filters(self):
        return [Short(self.options.shortest), Silent()]

    def fit_codec(self, samples, held_out, fit):
        notes = sorted({note for sample in samples for note in sample.payload})
        return weft.FittedCodec(self.codec(notes), {"held_out": len(held_out), "first": len(samples[0].payload)})


class RhymePreparer(MelodyPreparer):
    codec = RhymeCodec

    def read(self, item):
        for line in item.read_bytes().decode().splitlines():
            prompt, _, rhyme = line.rpartition("|")
            yield weft.Sample(rhyme, prompt or None)

    def clean(self, sample):
        return sample

    def near(self):
        return None

    def boilerplate(self):
        return None

    def filters(self):
        return []

    def divide(self, payload, fraction):
        cut = len(payload) - int(len(payload) * fraction)
        return None if cut == len(payload) else (payload[:cut], payload[cut:])


class Generator(weft.Generator):
    pass
'''


class Notes(Silent):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def registry(fake_plugins: Any) -> Registry:
    """Knows the modalities ``melody`` and ``rhyme``, and nothing else."""
    fake_plugins.install("fake_melody", ENTRY, parts=PARTS)
    registry = Registry(discover([plugin for plugin in installed_plugins() if plugin.name == "fake_melody"]))
    assert not registry.quarantined
    return registry


@pytest.fixture
def reporter() -> Notes:
    return Notes()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Writes files into the folder ``source`` and returns it."""

    def write_files(files: Mapping[str, str | bytes], folder: str = "source") -> Path:
        for name, data in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / folder

    return write_files


@pytest.fixture
def prepare(tmp_path: Path, registry: Registry, reporter: Notes) -> Callable[..., CorpusFolder]:
    """Runs stage 1 on a folder, with what a test leaves out filled in."""

    def run(*sources: Path, out: str = "corpus", fit: Any = None, **given: Any) -> CorpusFolder:
        def no_fit(*_: Any, **__: Any) -> Any:
            raise AssertionError("nothing is learned by steps here")

        request = PrepareRequest([Source(source) for source in sources], tmp_path / out, **given)
        return prepare_corpus(request, registry, fit or no_fit, reporter)

    return run
