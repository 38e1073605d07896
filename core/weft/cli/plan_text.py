"""What ``weft train --dry-run`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.pages.learner import learner_text
from weft.pages.numbers import about, count, duration

MEMORY = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "average": "averaged weights",
    "activations": "activations",
    "logits": "embedding, logits and loss",
    "update": "while the optimizer moves",
    "gathered": "gathered from other processes",
    "program": "Python and libraries",
}
"""Kinds of memory, in words."""


def plan_text(plan: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a person on what :meth:`weft.training.plan.Plan.to_json` gives."""
    model, settings, tokens, memory, time = (plan[name] for name in ("model", "settings", "tokens", "memory", "time"))
    yield "dry run: nothing is trained, and no run is made"
    yield (
        f"  parameters   {plan['parameters']:,} ({settings['size']}): {count(model['layers'], 'layer')}, "
        f"width {model['width']:,}, {count(model['heads'], 'head')}, {model['vocab_size']:,} ids, "
        f"context {model['context_length']:,}"
    )
    yield (
        f"  tokens       {tokens['learned']:,} to learn: {about(plan['epochs'], 'epoch')} of the {tokens['corpus']:,} "
        f"there are; {tokens['recommended']:,} are recommended for this size"
    )
    yield (
        f"  steps        {plan['steps']:,} of {count(settings['batch_size'], 'row')}; "
        f"{learner_text(settings)}, dropout {settings['dropout']:g}"
    )
    yield f"  time         {duration(time['total'])}: {_how(time)}"
    yield (
        f"  memory       {_size(memory['total'])} of a process, {count(memory['rows_at_once'], 'row')} at once, on "
        f"{settings['device']}, where {_size(memory['free'])} are free"
    )
    for name, words in MEMORY.items():
        if memory[name]:
            yield f"    {words:<30} {_size(memory[name]):>10}"
    shares = ", ".join(f"{_size(total)} over {processes}" for processes, total in memory["sharded"].items())
    yield f"    with --shard full, of each     {shares} processes"
    if memory["total"] > memory["free"] + memory["program"]:
        yield "  this is more than there is: choose a smaller size or context, or spread the model (--shard full)"


def _how(time: Mapping[str, Any]) -> str:
    evaluations = f"{count(time['evaluations'], 'evaluation')} of {duration(time['evaluation'])}"
    each = f"{duration(time['step'])} a step, {evaluations}"
    if time["source"] == "measured":
        return f"{each}, as timed here"
    return f"{each}, estimated from the arithmetic of the model, since a step is too large to be timed here"


def _size(number: float) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:g} B"
