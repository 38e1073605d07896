"""What is decided before step 0: the shape of the model, the batch, and how many steps a time budget is."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import OptionError
from weft.interfaces.segments import SequenceBuilder
from weft.interfaces.trainer import Dataset, Trainer
from weft.models.config import ModelConfig
from weft.models.device import pick_device
from weft.models.sizes import Size, pick_size
from weft.models.transformer import parameter_count
from weft.training.data import Rows, TokenSource, longest_document
from weft.training.feeding import Order
from weft.training.loop import Loop, LoopSettings
from weft.training.material import Material
from weft.training.mixture import REVERSED, Drawing, drawing_of, held_out_of
from weft.training.optimizers import ADAM_SHARE
from weft.training.options import TrainOptions
from weft.training.settings import RunSettings
from weft.training.shares import parse_mix
from weft.training.world import World

DEFAULT_SIZE = "nano"
DEFAULT_MINUTES = 5.0
EVALUATIONS = 12
"""Times that a run evaluates and saves, the end included."""
EVALUATION_TOKENS = 65_536
"""Held-out tokens that are enough for the curve; the last evaluation uses the same, so that figures compare."""
CALIBRATION_STEPS = 12
FEW_EPOCHS = 6.0
"""Up to this many times a model may see each example before dropout is on by default."""
LONGEST_BETWEEN_CHECKPOINTS = 1_000
KEEP = 2
"""Checkpoints to fall back on; the disk holds one more while the next is written."""
WEIGHT_DECAY = 0.05
WARMUP = 0.02
COOLDOWN = 0.4


@dataclass(frozen=True, slots=True)
class Decisions:
    """What ``run.json`` holds of a run that is about to begin.

    Attributes:
        settings: Of the training.
        model: Shape of the backbone.
        vocabulary: The id table.
        epochs: How many times as many target tokens as the corpora have are learned.
        target_tokens: How many are learned, by task.
    """

    settings: RunSettings
    model: ModelConfig
    vocabulary: Vocabulary
    epochs: float
    target_tokens: Mapping[str, int]


def decide(material: Material, options: TrainOptions, threads: int, world: World) -> Decisions:
    """Settle everything that the request leaves open.

    Raises:
        OptionError: A value that cannot be used, or a time budget that is over before it begins.
    """
    began = time.monotonic()
    size = pick_size(options.get("size", DEFAULT_SIZE))
    vocabulary = Vocabulary.build(material.vocab_sizes)
    context = context_for(material.sources, size, options.get("context"))
    settings = _settings(options, size, default_reverse(material), threads, world)
    train = training_rows(material, vocabulary, context, settings)
    if "batch_size" not in options:
        settings = replace(settings, batch_size=default_batch(size, train))
    model = model_config(size, vocabulary.size, context, settings.dropout)
    plan = _with_steps(Decisions(settings, model, vocabulary, 0.0, {}), material, train, world, began)
    dropout = options.get("dropout", default_dropout(plan.epochs))
    if dropout == settings.dropout:
        return plan
    # Dropout takes time of its own, so the budget is turned into steps again.
    settings, model = replace(settings, dropout=dropout), replace(model, dropout=dropout)
    return _with_steps(Decisions(settings, model, vocabulary, 0.0, {}), material, train, world, began)


def describe(decided: Decisions, material: Material) -> str:
    """The decisions in one line."""
    settings = decided.settings
    with torch.device("meta"):
        parameters = parameter_count(material.trainer(decided.model, decided.vocabulary, settings).build_model())
    tokens = sum(s.target_length(int(i)) for s in material.sources for i in (~s.held_out).nonzero()[0])
    learned = ", ".join(f"{task} {count:,}" for task, count in decided.target_tokens.items())
    mixture = f"target tokens: {learned}; " if len(decided.target_tokens) > 1 else ""
    return (
        f"{parameters / 1e6:.2f} M parameters, context {decided.model.context_length}, {tokens:,} training tokens; "
        f"{settings.steps:,} steps of {settings.batch_size} rows ({decided.epochs:.3g} epochs), {mixture}"
        f"dropout {settings.dropout:g}, {settings.device} with {settings.threads} threads, seed {settings.seed}"
    )


def default_reverse(material: Material) -> float:
    """Share of captioned documents that are learned from payload to caption: none of a run of one modality."""
    return REVERSED if len(material.modalities) > 1 and material.is_reversible else 0.0


def training_rows(material: Material, vocabulary: Vocabulary, context: int, settings: RunSettings) -> Drawing:
    """What a run learns from, and in which order.

    Raises:
        OptionError: The mixture does not fit the corpora.
    """
    sequences = Sequences(vocabulary, learn_conditions=settings.loss_on == "all")
    return drawing_of(
        material.sources, sequences, context, seed=settings.seed, mix=settings.mix, reverse=settings.reverse
    )


def held_out_rows(
    sources: Sequence[TokenSource],
    sequences: SequenceBuilder,
    context: int,
    mix: Mapping[str, float] | None = None,
    reverse: float = 0.0,
) -> Rows:
    """What is evaluated on: evenly spaced validation rows, enough for a steady figure."""
    return held_out_of(sources, sequences, context, tokens=EVALUATION_TOKENS, mix=mix, reverse=reverse)


def _settings(options: TrainOptions, size: Size, reverse: float, threads: int, world: World) -> RunSettings:
    """Everything but the batch and the number of steps, and what follows from them.

    Raises:
        OptionError: A device that is not there.
    """
    device = pick_device(options.get("device"), world.local_rank)
    optimizer = options.get("optimizer", "muon")
    return RunSettings(
        size=options.get("size", DEFAULT_SIZE),
        steps=options.get("steps", 1),
        minutes=None if "steps" in options or "epochs" in options else options.get("minutes", DEFAULT_MINUTES),
        epochs=options.get("epochs"),
        mix=parse_mix(options["mix"]) if "mix" in options else None,
        reverse=options.get("reverse", reverse),
        seed=options.get("seed", 0),
        batch_size=options.get("batch_size", 1),
        micro_batch_size=options.get("micro_batch_size"),
        optimizer=optimizer,
        learning_rate=options.get("learning_rate", size.learning_rate * (1 if optimizer == "muon" else ADAM_SHARE)),
        weight_decay=options.get("weight_decay", WEIGHT_DECAY),
        schedule=options.get("schedule", "trapezoid"),
        warmup=options.get("warmup", WARMUP),
        cooldown=options.get("cooldown", COOLDOWN),
        clip=options.get("clip", 1.0),
        ema=options.get("ema"),
        loss_on=options.get("loss_on", "target"),
        skip_nonfinite=options.get("skip_nonfinite", False),
        dropout=options.get("dropout", 0.0),
        threads=threads,
        # Which of the machine's accelerators it is differs between processes.
        device=options.get("device", device.type),
        autocast=_autocast(options, device),
        compile=options.get("compile", False),
        checkpoint_activations=options.get("checkpoint_activations", False),
        shard=options.get("shard", "none"),
        checkpoint_minutes=options.get("checkpoint_minutes"),
        keep=options.get("keep", KEEP),
        keep_every=options.get("keep_every"),
        evaluate_every=1,
    )


def _autocast(options: TrainOptions, device: torch.device) -> Literal["bfloat16"] | None:
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if options.get("precision", "bfloat16" if fast else "float32") == "bfloat16" else None


def _with_steps(plan: Decisions, material: Material, train: Drawing, world: World, began: float) -> Decisions:
    settings = plan.settings
    steps = settings.steps
    if settings.epochs is not None:
        steps = max(1, math.ceil(settings.epochs * train.epoch / settings.batch_size))
    if settings.minutes is not None:
        context = plan.model.context_length
        steps = steps_for_budget(
            material.trainer(plan.model, plan.vocabulary, settings),
            train.rows,
            held_out_rows(material.sources, Sequences(plan.vocabulary), context, settings.mix, settings.reverse),
            order=train.order,
            settings=settings,
            device=pick_device(settings.device, world.local_rank),
            minutes=settings.minutes,
            world=world,
            began=began,
        )
    every = min(LONGEST_BETWEEN_CHECKPOINTS, max(1, -(-steps // EVALUATIONS)))
    drawn = steps * settings.batch_size
    return replace(
        plan,
        settings=replace(settings, steps=steps, evaluate_every=every),
        epochs=drawn / train.epoch,
        target_tokens=train.target_tokens(drawn),
    )


def context_for(sources: Sequence[TokenSource], size: Size, wanted: int | None) -> int:
    """Context length: the smallest power of two that holds the longest document; long text is windowed.

    Raises:
        OptionError: ``wanted`` is too short for a document that must not be cut.
    """
    longest = max((longest_document(source) - 1 for source in sources if source.modality != "text"), default=0)
    texts = [longest_document(source) - 1 for source in sources if source.modality == "text" and not source.is_stream]
    if wanted is not None:
        if wanted < longest:
            raise OptionError(f"context {wanted} is shorter than the longest document, {longest} tokens; raise it")
        return wanted
    streams = [size.text_context for source in sources if source.is_stream]
    conditional = [min(length, 4 * size.text_context) for length in texts]
    needed = max([longest, *streams, *conditional])
    return 1 << max(4, (needed - 1).bit_length())


def model_config(size: Size, vocab_size: int, context_length: int, dropout: float) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        layers=size.layers,
        width=size.width,
        heads=size.heads,
        kv_heads=size.kv_heads,
        head_size=size.head_size,
        hidden=size.hidden,
        dropout=dropout,
    )


def default_dropout(epochs: float) -> float:
    """A tenth where every example is seen many times; dropout slows learning down where it is not."""
    return 0.1 if epochs > FEW_EPOCHS else 0.0


def default_batch(size: Size, train: Drawing) -> int:
    """Rows that make about the size's tokens a step, judged by evenly spaced rows."""
    return max(1, min(len(train.rows), round(size.tokens_per_step / train.ids_per_row)))


def steps_for_budget(
    trainer: Trainer[Any],
    train: Dataset[Any],
    held_out: Dataset[Any],
    *,
    settings: LoopSettings,
    device: torch.device,
    minutes: float,
    order: Order | None = None,
    world: World | None = None,
    began: float | None = None,
) -> int:
    """Turn minutes into a number of steps by timing some that are thrown away.

    Args:
        order: Of the training examples; as in the loop without it.
        world: The processes that train together; the steps are those that the first of them counts.
        began: When the budget began to be spent (``time.monotonic``); now without it.

    Raises:
        OptionError: The budget is over before it begins.
    """
    world = world or World()
    began = time.monotonic() if began is None else began
    # As if early in a long run: the schedule must not end, and turn negative, while steps are timed.
    early = replace(settings, steps=100 * CALIBRATION_STEPS)
    loop = Loop(trainer, train, early, device, held_out=held_out, order=order, world=world)
    loop.train_step()
    timed = time.monotonic()
    limit = max(0.5, minutes * 60 * 0.05)
    count = 0
    while count < CALIBRATION_STEPS and world.first(time.monotonic() - timed) < limit:
        loop.train_step()
        count += 1
    step_seconds = (time.monotonic() - timed) / count
    timed = time.monotonic()
    if len(held_out):
        loop.evaluate()
    evaluation_seconds = time.monotonic() - timed
    left = minutes * 60 * 0.97 - (time.monotonic() - began) - EVALUATIONS * evaluation_seconds
    steps = int(world.first(left / step_seconds))
    if steps < EVALUATIONS:
        needed = (2 * EVALUATIONS * (step_seconds + evaluation_seconds) + time.monotonic() - began) / 60
        raise OptionError(
            f"{minutes:g} minutes are too short on this machine: a step takes {step_seconds:.2g} s; "
            f"allow at least {needed:.2g} minutes, or give --steps"
        )
    return steps
