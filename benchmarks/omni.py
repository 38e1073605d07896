"""One model of text, images and audio: does it make each as well as a model of that alone, and describe what it sees?

Fashion-MNIST with its classes as captions, spoken digits with their transcripts, and tiny Shakespeare. A run of images
and a run of audio are trained first; then one run learns all three, with as many target tokens of images and of audio
as those had. Limits: pictures and clips that are what was asked for, as a judge sees it, at most 5 points fewer than
those of the single runs; captions of held-out pictures, and transcripts of held-out clips, right for 75 % each.

    python benchmarks/omni.py [--quick] [--scale X] [--threads N] [--keep FOLDER] [--show FOLDER]

Sized for about a quarter of an hour on two quiet cores; --quick trains a fifth of it, and its limits are not meant to
be kept. With --keep, corpora and runs stay in a folder, and those that are there are used again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import audio as sounds
import images as pictures
import torch
from judge import Judge
from stopwatch import Stopwatch

import weft

DATA = Path(__file__).parents[2] / "shared" / "data"
SOURCES = {"text": "text/tinyshakespeare", "image": "image/fashion_mnist", "audio": "audio/fsdd"}
EPOCHS = {"text": 0.8, "image": 2.5, "audio": 7.0}
"""How often each is seen, alone and together."""
QUICK = 0.2
POINTS = 0.05
DESCRIBED = 0.75
DESCRIBED_AT_MOST = 300
"""Held-out items that are described."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of a modality.

    Attributes:
        names: Of the source files.
        prompts: What asks for the like of each; also what describes it.
        judge: Tells what a payload is.
        show: Payloads as the judge sees them.
    """

    names: Sequence[str]
    prompts: Sequence[str]
    judge: Judge
    show: Callable[[Sequence[Any]], torch.Tensor]

    def right(self, run: Any, modality: str, count: int, folder: Path | None) -> float:
        """Share of generated payloads that are what was asked for."""
        made: dict[str, Sequence[Any]] = {
            prompt: run.generate(prompt, to=modality, n=count, seed=1) for prompt in sorted(set(self.prompts))
        }
        if folder is not None:
            for artifacts in made.values():
                for artifact in artifacts[:3]:
                    artifact.save(folder)
        wanted = [prompt for prompt, artifacts in made.items() for _ in artifacts]
        return self.judge.right(self.show([each.payload for artifacts in made.values() for each in artifacts]), wanted)

    def described(self, run: Any, source: Path, corpus: Any, guidance: float) -> tuple[float, int]:
        """Share of held-out files whose description is right, and how many there are."""
        held_out = {row["item"] for row in corpus.folder.verdicts() if row["split"] == "validation"}
        known = {name: prompt for name, prompt in zip(self.names, self.prompts, strict=True) if name in held_out}
        chosen = sorted(known)[:: max(1, len(known) // DESCRIBED_AT_MOST)]
        files = [source / name for name in chosen]
        said = run.generate(prompt_file=files, to="text", temperature=0, guidance=guidance, seed=1)
        right = [artifact.payload == known[name] for name, artifact in zip(chosen, said, strict=True)]
        return sum(right) / len(right), len(right)


def tasks() -> dict[str, Task]:
    shown = pictures.Real.read(DATA / SOURCES["image"])
    spoken = sounds.Real.read(DATA / SOURCES["audio"])
    return {
        "image": Task(shown.names, shown.prompts, shown.judge(), pictures.tensors),
        "audio": Task(spoken.names, spoken.prompts, spoken.judge(), sounds.pictures),
    }


def prepared(folder: Path) -> dict[str, Any]:
    """The corpora, made if they are not there."""
    corpora = {}
    for modality, source in SOURCES.items():
        out = folder / "corpora" / modality
        corpora[modality] = weft.load(out) if out.is_dir() else weft.prepare(DATA / source, out=out)
    return corpora


def trained(out: Path, corpora: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A run, trained if it is not there."""
    done = out.is_dir() and weft.load(out)
    if done and done.summary()["step"] == done.summary()["settings"]["steps"]:
        return done
    return weft.train(corpora, out=out, seed=1, resume=out.is_dir(), **options)


def together(corpora: Mapping[str, Any], single: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Options with which one run sees as many target tokens of each modality as the single runs did."""
    text = corpora["text"].folder
    present = {name: run.folder.manifest.target_tokens[name] / (EPOCHS[name] * scale) for name, run in single.items()}
    # Ends of documents aside, the tokens of a text are those of its training part.
    layer = text.layer("payload", text.codec_hash("text"))
    present["text"] = sum(int(layer.lengths[row]) for row in text.rows("train"))
    mix = {name: EPOCHS[name] * scale * tokens for name, tokens in present.items()}
    return {"mix": mix, "epochs": sum(mix.values()) / sum(present.values())}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the training")
    parser.add_argument("--scale", type=float, default=1.0, help="of all training")
    parser.add_argument("--reverse", type=float, help="share of reversed documents; Weft's default without it")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--per-class", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="folder for corpora and runs, which are used again")
    parser.add_argument("--show", type=Path, help="folder for some of what is generated")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    if given.keep is not None:
        return benchmark(given, given.keep)
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        return benchmark(given, Path(folder))


def benchmark(given: argparse.Namespace, folder: Path) -> int:
    watch = Stopwatch()
    scale = given.scale * (QUICK if given.quick else 1.0)
    with watch("prepare"):
        corpora = prepared(folder)
    single = {}
    for modality in ("image", "audio"):
        with watch(f"train {modality}"):
            options = {"epochs": EPOCHS[modality] * scale, "threads": given.threads}
            single[modality] = trained(folder / "runs" / modality, [corpora[modality]], options)
    with watch("train together"):
        options = {**together(corpora, single, scale), "threads": given.threads, "reverse": given.reverse}
        omni = trained(folder / "runs" / "omni", list(corpora.values()), options)
    with watch("judge"):
        judged = tasks()
        kept = [check for name, task in judged.items() for check in compare(name, task, single[name], omni, given)]
        kept += [check for name, task in judged.items() for check in describe(name, task, omni, corpora[name])]
    report(omni, single)
    watch.report()
    return int(not all(kept))


def compare(modality: str, task: Task, single: Any, omni: Any, given: argparse.Namespace) -> list[bool]:
    """Whether what the run of all makes is about as right as what the run of one makes."""
    tokens = [run.folder.manifest.target_tokens[modality] for run in (single, omni)]
    print(f"{modality}: {tokens[0]:,} target tokens alone, {tokens[1]:,} together; judge {task.judge.accuracy:.3f}")
    alone = task.right(single, modality, given.per_class, None)
    mixed = task.right(omni, modality, given.per_class, None if given.show is None else given.show / modality)
    print(f"prompt to {modality}: right {alone:.3f} alone, {mixed:.3f} together")
    # Shares of counts: without rounding five points of a hundred would be a hair more than .05.
    lost = round(alone - mixed, 9)
    return [_check(f"points lost to {modality}", lost, POINTS, lost <= POINTS)]


def describe(modality: str, task: Task, omni: Any, corpus: Any) -> list[bool]:
    """Whether held-out files are described."""
    source = DATA / SOURCES[modality]
    right, count = task.described(omni, source, corpus, 1.0)
    guided, _ = task.described(omni, source, corpus, 2.0)
    print(f"{modality} to text with guidance 2: {guided:.3f}")
    return [_check(f"{modality} to text, {count} held-out files", right, DESCRIBED, right >= DESCRIBED)]


def report(omni: Any, single: Mapping[str, Any]) -> None:
    """Held-out losses."""
    figures = omni.summary()["validation"]
    for name, found in figures.items():
        alone = single[name].summary()["validation"][name]["nats_per_token"] if name in single else None
        beside = "" if alone is None else f" (alone {alone:.3f})"
        print(f"held-out {name}: {found['nats_per_token']:.3f} nats per token{beside}")
    print(f"text: {figures['text']['bits_per_byte']:.3f} bits per byte")
    settings = omni.summary()["settings"]
    print(f"{settings['steps']:,} steps of {settings['batch_size']} rows, {settings['threads']} threads")


def _check(what: str, reached: float, limit: float, kept: bool) -> bool:
    print(f"{what} {reached:.3f}  limit {limit:g}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
