"""What a run is, in a few lines for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.cli.rows import aligned
from weft.pages.learner import learner_text
from weft.pages.losses import losses_text
from weft.pages.numbers import count, duration, rounded
from weft.storage.run import PREVIEWS

SAME = 0.0005
"""Losses that differ by a smaller share are called the same."""


def run_text(summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Lines on what ``Run.summary`` gave, and the commands that come next."""
    yield f"{path}: a run of {', '.join(summary['modalities'])}, {_progress(summary)}"
    yield ""
    yield from aligned(_rows(summary, path))
    yield ""
    for number, command in enumerate(_next(summary, path)):
        yield f"{'next' if number == 0 else '':<8}{shlex.join(['weft', *command])}"


def _progress(summary: Mapping[str, Any]) -> str:
    step, steps, seconds = summary["step"], summary["settings"]["steps"], summary["seconds"]
    made = count(steps, "step") if step == steps else f"stopped at step {count(step)} of {count(steps)}"
    return made if seconds is None else f"{made} in {duration(seconds)}"


def _rows(summary: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    yield "model", [_model(summary)]
    if summary["started_from"] is not None:
        yield "began as", [f"{summary['started_from']['name']} at step {count(summary['started_from']['step'])}"]
    if summary["merged_from"] is not None:
        yield "merged", [_merged(summary)]
    yield "learned", [_learned(summary)]
    yield "steps", [f"of {count(summary['settings']['batch_size'], 'row')}; {learner_text(summary['settings'])}"]
    best, last = summary["held_out_loss"]["best"], summary["held_out_loss"]["last"]
    if last is not None:
        yield "held out", [_held_out(summary["validation_last"], last)]
    if best is not None:
        yield "best", [_best(summary, best, last)]
    if summary["training_loss"] is not None:
        yield "training", [_training(summary["training_loss"], summary["step"])]
    if summary["memorizing"] is not None:
        yield "overfit", [summary["memorizing"]]
    if (path / PREVIEWS / "index.html").is_file():
        yield "previews", [str(path / PREVIEWS / "index.html")]


def _model(summary: Mapping[str, Any]) -> str:
    shape = f"{summary['settings']['size']}, context {count(summary['model']['context_length'])}"
    whole, trained = summary["parameters"], summary["parameters_trained"]
    if whole is None:
        return f"{shape}; it has no checkpoint yet"
    adapters = f", of which {count(trained)} are learned (adapters)" if trained < whole else ""
    return f"{count(whole, 'parameter')} ({shape}){adapters}"


def _learned(summary: Mapping[str, Any]) -> str:
    names = ", ".join(each["name"] for each in summary["corpora"])
    source = f"{'corpus' if len(summary['corpora']) == 1 else 'corpora'} {names}"
    tokens, planned = summary["target_tokens_learned"], sum(summary["target_tokens"].values())
    step, steps = summary["step"], summary["steps_planned"]
    if not tokens:
        return source
    learned = f"{source}: {count(sum(tokens.values()))} target tokens"
    if len(tokens) > 1:
        learned += f" ({', '.join(f'{count(number)} of {task}' for task, number in tokens.items())})"
    if step == steps:
        return f"{learned} in all steps"
    return f"{learned} in {count(step, 'step')}; {count(planned)} in {count(steps)} were planned"


def _merged(summary: Mapping[str, Any]) -> str:
    adapters, base = summary["merged_from"], summary["started_from"]
    into = "" if base is None else f" into the weights of {base['name']}"
    at = f"step {count(adapters['step'])} of {count(adapters['steps'])}"
    return f"the adapters of {adapters['name']} (rank {adapters['rank']}, {at}), folded{into}"


def _held_out(by_task: Mapping[str, Mapping[str, float]], judged: Mapping[str, float]) -> str:
    figures = {f"{task}/{unit}": value for task, units in by_task.items() for unit, value in units.items()}
    return losses_text({"loss": judged["loss"], **figures})


def _best(summary: Mapping[str, Any], best: Mapping[str, float], last: Mapping[str, float] | None) -> str:
    if last is None or best["step"] == last["step"]:
        return f"step {count(int(best['step']))}, the last that was judged"
    above = last["loss"] - best["loss"]
    if above < SAME * abs(best["loss"]):
        apart = "as good"
    elif best["loss"] > 0:
        apart = f"{rounded(100 * above / best['loss'], 2)} % above it"
    else:  # as a plugin's objective may have it
        apart = f"{rounded(above, 3)} above it"
    shown = _held_out(summary["validation"], best)
    return f"step {count(int(best['step']))}, which generate uses: {shown}; the last is {apart}"


def _training(logged: Mapping[str, float], saved: int) -> str:
    steps, step = int(logged["steps"]), int(logged["step"])
    beyond = f" up to {count(step)}, which is not saved" if step > saved else ""
    of = f"the mean of the last {steps} steps" if steps > 1 else "of the last step"
    return f"loss {logged['loss']:.3f}, {of}{beyond}"


def _next(summary: Mapping[str, Any], path: Path) -> Iterator[list[str]]:
    run = str(path)
    if summary["step"] < summary["settings"]["steps"]:
        yield ["train", "--resume", run]
    if summary["parameters"] is None:
        return
    yield ["generate", run, *_asking(summary)]
    if summary["training_loss"] is not None:
        yield ["plot", run]
    if summary["parameters_trained"] < summary["parameters"]:
        yield ["merge", run, "--out", f"{run}-merged"]


def _asking(summary: Mapping[str, Any]) -> list[str]:
    """A prompt where one can be given, and what to make where there is a choice."""
    modalities = summary["modalities"]
    target = next((name for name in modalities if name in summary["conditional"]), modalities[0])
    prompted = target == "text" or target in summary["conditional"]
    return [*(["your prompt"] if prompted else []), *(["--to", target] if len(modalities) > 1 else [])]
