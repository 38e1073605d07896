"""The run folder: everything that ``generate`` and ``--resume`` need, in one place.

run.json          what was decided before step 0: settings, model shape, vocabulary, corpora; never changed after
codecs/NAME/      the codec of each modality
checkpoints/      see weft.storage.checkpoints
metrics.jsonl     one object a logged step
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from weft.errors import FolderError
from weft.interfaces.modality import MODALITY_NAME
from weft.storage.atomic import new_folder, write_json, write_text
from weft.storage.checkpoints import CheckpointStore
from weft.storage.corpus import CorpusFolder
from weft.storage.figures import finite
from weft.storage.schema import read_fields, read_manifest

SCHEMA = 2
METRICS, PREVIEWS = "metrics.jsonl", "previews"


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """What a run says of a corpus that it was trained on.

    Attributes:
        name: Of its folder, at the time.
        modality: Of its payloads.
        sha256: Of its content.
        place: Where it lay, as seen from the run folder; it may have been moved since.
    """

    name: str
    modality: str
    sha256: str
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Direction:
    """From what to what a run learned to go.

    Attributes:
        condition: Modality of what is given.
        target: Modality of what is made of it.
        lengths: ``(shortest, longest)`` of these targets, in tokens.
    """

    condition: str
    target: str
    lengths: tuple[int, int]


@dataclass(frozen=True, slots=True)
class StartEntry:
    """What a run says of the one whose weights it began with.

    Attributes:
        name: Of its folder, at the time.
        step: Of the weights.
        weights_sha256: Of the weights, as ``weft inspect`` shows it.
    """

    name: str
    step: int
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.name} at step {self.step} ({self.weights_sha256[:12]})"


@dataclass(frozen=True, slots=True)
class MergeEntry:
    """What a run says of the one whose adapters were folded into its weights.

    Attributes:
        name: Of its folder, at the time.
        rank: Of the adapters.
        step: Of the weights.
        steps: How many it was to make.
    """

    name: str
    rank: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What ``run.json`` holds besides its kind and schema.

    Attributes:
        settings: Resolved training settings.
        model: Shape of the backbone.
        vocabulary: The id table.
        modalities: What the run can generate.
        lengths: ``(shortest, longest)`` target in tokens, by modality.
        corpora: Name, modality and content hash of what it was trained on.
        conditional: Modalities whose targets had prompts.
        codecs: Codec hash by modality.
        weft: Version that wrote it.
        directions: What it can make of what. ``None`` is what runs say that learned from prompts to payloads alone;
            see :attr:`known_directions`.
        target_tokens: How many tokens of targets it learns in all the steps that were planned, by task.
        preparation: Preparation options of each modality by full name, so that a file that is given as a prompt is read
            and cleaned as those of the corpus were.
        started_from: The run whose weights it began with; ``None`` where they were random.
        merged_from: The run with the adapters that are folded in; ``None`` where none are.
    """

    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    vocabulary: Mapping[str, Any]
    modalities: list[str]
    lengths: Mapping[str, tuple[int, int]]
    corpora: list[CorpusEntry]
    conditional: list[str]
    codecs: Mapping[str, str]
    weft: str
    directions: list[Direction] | None = None
    target_tokens: Mapping[str, int] = field(default_factory=dict)
    preparation: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    started_from: StartEntry | None = None
    merged_from: MergeEntry | None = None

    @property
    def steps_planned(self) -> int:
        """How many steps it was to make; what is merged keeps those that its weights had made as its own."""
        return self.merged_from.steps if self.merged_from is not None else int(self.settings["steps"])

    @property
    def known_directions(self) -> list[Direction]:
        """What the run can make of what."""
        if self.directions is not None:
            return self.directions
        return [Direction("text", name, self.lengths[name]) for name in self.conditional]


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path, manifest: RunManifest) -> None:
        self.path = path
        self.manifest = manifest
        self.checkpoints = CheckpointStore(path / "checkpoints")

    @classmethod
    def create(
        cls,
        path: Path,
        manifest: RunManifest,
        codecs: Mapping[str, Path],
        *,
        force: bool,
        sources: Sequence[Path] = (),
        begin: Callable[[CheckpointStore], object] | None = None,
    ) -> Self:
        """Make a run folder with its codecs copied in; complete before it has its name.

        Args:
            path: Where.
            manifest: What ``run.json`` says.
            codecs: Folder of the codec of each modality.
            force: Replace a Weft folder that is in the way.
            sources: What it is made from, and may not overlap.
            begin: Saves the weights of a run that does not begin with random ones.

        Raises:
            FolderError: Something else is at ``path``, or it overlaps one of ``sources``.
        """
        with new_folder(path, force=force, sources=sources) as temporary:
            for modality, source in codecs.items():
                shutil.copytree(source, temporary / "codecs" / modality)
            if begin is not None:
                begin(CheckpointStore(temporary / "checkpoints"))
            write_json(temporary / "run.json", {"kind": "run", "schema": SCHEMA, **asdict(manifest)})
        return cls(path, manifest)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises :class:`weft.FolderError` for anything but a readable run folder."""
        values = read_manifest(path, "run", SCHEMA)
        manifest = read_fields(RunManifest, values, str(path / "run.json"))
        _check_names(path / "run.json", manifest)
        if type(manifest.settings.get("steps")) is not int or manifest.steps_planned < 1:
            raise FolderError(f"{path / 'run.json'} is damaged: it says no number of steps")
        unknown = [name for name in manifest.modalities if name not in manifest.lengths]
        if unknown:
            raise FolderError(f"{path / 'run.json'} is damaged: it says no lengths of {', '.join(unknown)}")
        return cls(path, manifest)

    def corpora(self) -> list[CorpusFolder]:
        """The corpora that the run learns from, where they lay when it began.

        Raises:
            FolderError: One is no longer there.
        """
        places = [self.path / each.place for each in self.manifest.corpora if each.place is not None]
        if len(places) < len(self.manifest.corpora) or not all(place.exists() for place in places):
            names = ", ".join(each.name for each in self.manifest.corpora)
            raise FolderError(f"the corpora of {self.path} ({names}) are not where they were; name their folders")
        return [CorpusFolder.open(place.resolve()) for place in places]

    def codec_folder(self, modality: str) -> Path:
        return self.path / "codecs" / modality

    @property
    def metrics_path(self) -> Path:
        return self.path / METRICS

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What was logged, in order; an incomplete last line (a killed process) is left out.

        Raises:
            FolderError: The log is damaged.
        """
        return read_metrics(self.metrics_path)

    def log(self, row: Mapping[str, float]) -> None:
        """Append a row to the log, without what is not finite."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(_json_row(row))

    def forget_metrics_after(self, step: int) -> None:
        """Drop what was logged after a step that training goes back to."""
        self.copy_metrics(self, step)

    def copy_metrics(self, source: RunFolder, step: int) -> None:
        """Have what a run logged up to a step in place of what was logged here."""
        kept = [_json_row(row) for row in source.metrics() if row["step"] <= step]
        write_text(self.metrics_path, "".join(kept))


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log up to a line that is no JSON; none where there is no such file.

    Raises:
        FolderError: It cannot be read, or a row is not what :meth:`RunFolder.log` writes.
    """
    if not path.exists():
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _damaged_metrics(path, str(error)) from error
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            return
        if not _is_row(row):
            raise _damaged_metrics(path, f"{line[:40]!r} is no row of figures with a step")
        yield row


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        return False
    return all(isinstance(value, int | float) for value in row.values())


def _damaged_metrics(path: Path, why: str) -> FolderError:
    return FolderError(f"{path} is damaged ({why}); restore the file, or remove it")


def _json_row(row: Mapping[str, float]) -> str:
    return json.dumps(finite(row), allow_nan=False) + "\n"


def _check_names(path: Path, manifest: RunManifest) -> None:
    """Raise :class:`weft.FolderError` where a name of a modality, which folders and files are called by, is none."""
    names = {*manifest.modalities, *manifest.lengths, *manifest.codecs, *manifest.conditional, *manifest.preparation}
    names |= {name for each in manifest.directions or () for name in (each.condition, each.target)}
    for name in sorted(names):
        if not MODALITY_NAME.fullmatch(name):
            raise FolderError(f"{path} is damaged: {name!r} is no name of a modality; restore the file, or train again")
