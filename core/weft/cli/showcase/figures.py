"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import weft
from weft.pages.numbers import count, duration

Figures = list[tuple[str, str]]
"""Name and value, in the order of the page."""


def corpus_figures(summary: Mapping[str, Any]) -> Figures:
    """What became of the source."""
    rejected = sum(summary["rejected"].values())
    unread = sum(summary["items_rejected"].values())
    parts = summary["parts"]
    rows = [
        ("Items", f"{count(summary['items'])}, of which {count(unread)} could not be read"),
        ("Samples", f"{count(summary['kept'])} kept, {count(rejected)} rejected"),
        ("Held out", f"{count(parts['validation'])} of {count(parts['train'] + parts['validation'])}"),
        ("Tokens", count(summary["tokens"])),
    ]
    for modality, codec in summary["codecs"].items():
        quality = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in codec["quality"].items()]
        rows.append((f"Codec of {modality}", ", ".join([codec["name"], count(codec["vocab_size"], "id"), *quality])))
    return rows


def run_figures(summary: Mapping[str, Any]) -> Figures:
    """What was trained."""
    settings, model = summary["settings"], summary["model"]
    return [
        ("Parameters", count(summary["parameters"])),
        ("Size", f"{settings['size']}, context {count(model['context_length'], 'token')}"),
        ("Training", f"{count(settings['steps'], 'step')} of {count(settings['batch_size'], 'row')}"),
        *held_out_figures(summary),
        ("Generated with", _weights(summary)),
    ]


def held_out_figures(summary: Mapping[str, Any]) -> Figures:
    """How well the best weights predict what they have not seen."""
    rows: Figures = []
    for modality, values in summary["validation"].items():
        of = f" ({modality})" if len(summary["validation"]) > 1 else ""
        rows += [(f"Held-out {name.replace('_', ' ')}{of}", f"{value:.3f}") for name, value in values.items()]
    return rows or [("Held-out loss", "nothing was held out")]


def time_figures(seconds: Mapping[str, float]) -> Figures:
    """Wall time of each stage that is over."""
    names = {"source": "Source made in", "prepare": "Prepared in", "train": "Trained in", "generate": "Generated in"}
    return [(names[stage], duration(seconds[stage])) for stage in names if stage in seconds]


def settings_of(artifact: weft.Artifact[Any]) -> dict[str, str]:
    """The sampling options that did something to an artifact, by name, and its seed."""
    options = artifact.settings
    neutral = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "guidance": 1.0, "n": 1, "stop": ()}
    return {
        name.replace("_", " "): f"{value:g}" if isinstance(value, float) else str(value)
        for name in options.__dataclass_fields__
        if (value := getattr(options, name)) is not None and value != neutral.get(name)
    }


def _weights(summary: Mapping[str, Any]) -> str:
    best, last = summary["checkpoints"]["best"]["step"], summary["checkpoints"]["last"]["step"]
    if not summary["validation"]:
        return f"the last weights, step {count(last)}"
    if best == last:
        return f"the last weights, step {count(last)}: best on held-out data"
    return f"the weights of step {count(best)}: best on held-out data (the last step is {count(last)})"
