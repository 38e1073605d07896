"""What a corpus or a run is, as one JSON-able object: the documented output of ``weft inspect --json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from weft.errors import FolderError
from weft.storage.checkpoints import Which
from weft.storage.corpus import CorpusFolder
from weft.storage.figures import finite
from weft.storage.frozen import frozen_count
from weft.storage.run import RunFolder, RunManifest

EXAMPLES = 2
"""Rejections that are shown of each reason."""

MEMORIZED = 1.02
"""How much worse than its best a held-out loss must end to be called memorizing."""


def corpus_summary(corpus: CorpusFolder) -> dict[str, Any]:
    """Counts, rejections by reason with examples, codecs, tokens and content hash."""
    # A sample with a caption is never cut into parts, so that captioned parts are captioned samples.
    manifest, counts = corpus.manifest, corpus.manifest["counts"]
    return {
        "kind": "corpus",
        "modalities": [corpus.modality],
        "sources": [asdict(source) for source in corpus.sources],
        "items": counts["items"],
        "items_read": counts["items_read"],
        "items_rejected": counts["items_rejected"],
        "samples": counts["samples"],
        "kept": counts["kept"],
        "rejected": counts["rejected"],
        "examples": rejection_examples(corpus),
        "auxiliary": counts.get("auxiliary", 0),
        "table_rows": counts["table_rows"],
        "parts": {"train": counts["train"], "validation": counts["validation"]},
        "held_out": manifest["held_out"],
        "prompts": corpus.has_prompts,
        "captioned": sum(prompt is not None for prompt in corpus.prompts),
        "screened": manifest.get("screened", {}),
        "options": manifest["options"],
        "seed": manifest["seed"],
        "learned_with": manifest.get("learned_with", {}),
        "codecs": manifest["codecs"],
        "tokens": manifest["tokens"],
        "text_bytes": manifest["text_bytes"],
        "sha256": corpus.sha256,
    }


def rejection_examples(corpus: CorpusFolder, count: int = EXAMPLES) -> list[dict[str, Any]]:
    """The first few rejections of each reason, items before samples."""
    seen: dict[tuple[bool, str], list[dict[str, Any]]] = {}
    for row in corpus.verdicts():
        if row["verdict"] == "rejected":
            seen.setdefault((row["sample"] is not None, row["reason"]), []).append(row)
    return [
        {name: row[name] for name in ("reason", "item", "sample", "detail") if row[name] is not None}
        for key in sorted(seen)
        for row in seen[key][:count]
    ]


def run_summary(run: RunFolder) -> dict[str, Any]:
    """Parameters, steps, losses and hashes of weights.

    ``step`` and ``weights_sha256`` are of the last weights; ``validation`` is of the best, which ``generate`` uses, and
    ``validation_last`` of the last. A run without a checkpoint yet is at step 0 and has neither weights nor figures.
    """
    manifest = run.manifest
    begun = bool(run.checkpoints.steps())
    best, last = (_held_out(run, which) if begun else {} for which in ("best", "last"))
    checkpoints = {which: _checkpoint(run, which) for which in _BOTH} if begun else {}
    step = checkpoints["last"]["step"] if begun else 0
    logged = list(run.metrics())
    return {
        "kind": "run",
        "modalities": manifest.modalities,
        "conditional": manifest.conditional,
        "directions": [asdict(direction) for direction in manifest.known_directions],
        "target_tokens": dict(manifest.target_tokens),
        "target_tokens_learned": _learned(manifest, step),
        "parameters": _trained(run) + frozen_count(run.checkpoints.folder) if begun else None,
        "parameters_trained": _trained(run) if begun else None,
        "step": step,
        "steps_planned": manifest.steps_planned,
        "seconds": _seconds(logged, step),
        "weights_sha256": checkpoints["last"]["weights_sha256"] if begun else None,
        "validation": _by_modality(best),
        "validation_last": _by_modality(last),
        "held_out_loss": {"best": _mean_held_out(best), "last": _mean_held_out(last)},
        "training_loss": _training_loss(logged),
        "memorizing": memorizing(best, last),
        "generate_uses": "best" if begun else None,
        "checkpoints": checkpoints,
        "settings": dict(manifest.settings),
        "model": dict(manifest.model),
        "corpora": [asdict(corpus) for corpus in manifest.corpora],
        "started_from": asdict(manifest.started_from) if manifest.started_from is not None else None,
        "merged_from": asdict(manifest.merged_from) if manifest.merged_from is not None else None,
        "codecs": dict(manifest.codecs),
        "weft": manifest.weft,
    }


_BOTH: tuple[Which, Which] = ("last", "best")


def _checkpoint(run: RunFolder, which: Which) -> dict[str, Any]:
    return {"step": run.checkpoints.step(which), "weights_sha256": run.checkpoints.weights_sha256(which)}


def _trained(run: RunFolder) -> int:
    """Numbers in the weights file, read from its header alone; frozen ones are kept apart."""
    from safetensors import SafetensorError, safe_open

    path = run.checkpoints.path("last") / "model.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise FolderError(f"{path} is damaged ({error}); train again or restore the file") from error


def _held_out(run: RunFolder, which: Which) -> dict[str, float]:
    """Held-out figures of some weights; empty where nothing was held out."""
    figures: Mapping[str, Any] = run.checkpoints.described(which).notes.get(str(which)) or {}
    try:
        return finite({name: float(value) for name, value in figures.items()})
    except (ValueError, AttributeError, TypeError) as error:
        raise FolderError(f"{run.checkpoints.path(which)} is damaged ({error}); train again or restore it") from error


def _by_modality(held_out: Mapping[str, float]) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    for name, value in held_out.items():
        modality, slash, metric = name.partition("/")
        if slash:
            figures.setdefault(modality, {})[metric] = value
    return figures


def _mean_held_out(held_out: Mapping[str, float]) -> dict[str, float] | None:
    """The mean over all tokens, and the step of it."""
    if not {"step", "loss"} <= held_out.keys():
        return None
    return {"step": int(held_out["step"]), "loss": held_out["loss"]}


def _learned(manifest: RunManifest, step: int) -> dict[str, int]:
    """Tokens of targets that so many steps learn, by task: every step learns as many, on average."""
    return {task: round(tokens * step / manifest.steps_planned) for task, tokens in manifest.target_tokens.items()}


def _seconds(logged: Sequence[Mapping[str, float]], step: int) -> float | None:
    """Time of training up to the last logged of so many steps: what a process that was killed did after its last
    checkpoint is lost."""
    return next((row["seconds"] for row in reversed(logged) if "seconds" in row and row["step"] <= step), None)


def _training_loss(logged: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """What was logged last while training: the mean loss of the few steps up to ``step``."""
    losses = [row for row in logged if "loss" in row]
    if not losses:
        return None
    before, last = losses[-2]["step"] if len(losses) > 1 else 0, losses[-1]
    return {"step": last["step"], "loss": last["loss"], "steps": last["step"] - before}


def memorizing(best: Mapping[str, float], last: Mapping[str, float]) -> str | None:
    """What is to be said of a run that ended with a worse held-out loss than it had; ``None`` where nothing is.

    Args:
        best: ``step`` and ``loss`` of the best weights; empty where nothing was held out.
        last: Those of the last weights.
    """
    if not ({"step", "loss"} <= best.keys() and "loss" in last and last["loss"] > MEMORIZED * best["loss"]):
        return None
    return (
        f"the model began to memorize: its held-out loss was best at step {best['step']:,.0f} ({best['loss']:.3f}) and "
        f"ended at {last['loss']:.3f}. `generate` uses the best weights; more data, a smaller size or fewer steps "
        f"would help"
    )
