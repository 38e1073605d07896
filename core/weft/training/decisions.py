"""What is decided before step 0: the shape of the model, the batch, and how many steps a time budget is."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import OptionError, TrainingError
from weft.interfaces.progress import Reporter, Silent
from weft.interfaces.segments import SequenceBuilder
from weft.models.config import ModelConfig
from weft.models.sizes import TOKENS_PER_PARAMETER, Size, pick_size, show_parameters, usual_vocabulary
from weft.models.transformer import parameter_count
from weft.pages.learner import learner_text
from weft.pages.numbers import about, count
from weft.training.calibration import BACKWARD, Timing, evaluations_of, steps_within
from weft.training.data import Rows, TokenSource, longest_document
from weft.training.estimate import Estimator, program_bytes
from weft.training.material import Material
from weft.training.mixture import REVERSED, Drawing, drawing_of, held_out_of
from weft.training.optimizers import ADAM_SHARE, OptimizerKind
from weft.training.options import TrainOptions
from weft.training.outlook import budgeted_time, expected_time, memory_of, rows_at_once
from weft.training.precision import choose_compile, choose_precision
from weft.training.settings import RunSettings
from weft.training.shares import parse_mix
from weft.training.starting import Start, check_adapters, check_size, started_model
from weft.training.tensorboard import require_tensorboard
from weft.training.world import World

DEFAULT_SIZE = "nano"
DEFAULT_MINUTES = 5.0
EVALUATION_TOKENS = 65_536
"""Held-out tokens that are enough for the curve; the last evaluation uses the same, so that figures compare."""
FEW_EPOCHS = 6.0
"""Up to this many times a model may see the examples of a corpus before dropout is on by default."""
LONGEST_BETWEEN_EVALUATIONS = 1_000
LARGER = 1.2
"""How many times the parameters that a size names a model may have without a word on it."""
KEEP = 2
"""Checkpoints to fall back on; the disk holds one more while the next is written."""
PREVIEWS = 2
WEIGHT_DECAY = 0.05
WARMUP = 0.02
COOLDOWN = 0.7
FINE_TUNING_SHARE = 0.5
"""Of the size's learning rate, where training begins with the weights of another run."""
ADAPTER_SHARE = 3.0
"""The same of adapters; ``docs/decisions/adapters.md`` has the figures."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What ``run.json`` holds of a run that is about to begin.

    Attributes:
        settings: Of the training.
        model: Shape of the backbone.
        vocabulary: The id table.
        epochs: How many times as many target tokens as the corpora have are learned.
        target_tokens: How many are learned, by task.
        memory: Estimates of what a step takes.
        timing: What things take, where that was asked for or a time budget asks for it.
    """

    settings: RunSettings
    model: ModelConfig
    vocabulary: Vocabulary
    epochs: float
    target_tokens: Mapping[str, int]
    memory: Estimator
    timing: Timing | None


def decide(
    material: Material,
    options: TrainOptions,
    threads: int,
    world: World,
    start: Start | None = None,
    *,
    outlook: bool = False,
    reporter: Reporter | None = None,
) -> Decisions:
    """Settle everything that the request leaves open.

    Args:
        material: What is learned.
        options: What was asked for.
        threads: Of torch in each process.
        world: The processes that train together.
        start: The run whose weights it begins with; its size, its ids and, where none is asked for, its context stay.
        outlook: Whether the time that it will take is wanted; steps that would take too long are not run for it.
        reporter: Told what is measured, and of what may surprise.

    Raises:
        OptionError: A value that cannot be used, or a time budget that is over before it begins.
        TrainingError: There is nothing to train on.
    """
    began, program = time.monotonic(), program_bytes()
    reporter = reporter or Silent()
    if options.get("tensorboard"):
        require_tensorboard()
    if start is not None:
        check_size(start, options.get("size"))
        options = {**options, "size": start.size}
    size = pick_size(options.get("size", DEFAULT_SIZE))
    vocabulary = (Vocabulary({}, {}) if start is None else start.vocabulary).grown(material.vocab_sizes)
    check_adapters(options, start, vocabulary)
    context = context_for(material.sources, size, options.get("context"))
    if start is not None and "context" not in options:
        context = max(context, start.model.context_length)
    settings = _settings(options, size, default_reverse(material), threads, world)
    train = training_rows(material, vocabulary, context, settings)
    if len(train.rows) == 0:
        raise TrainingError("there is nothing to train on: the training part is empty")
    if settings.batch_size > len(train.rows):
        there = f"there {'is' if len(train.rows) == 1 else 'are'} only {count(len(train.rows), 'row')} to learn from"
        raise OptionError(f"batch_size is {settings.batch_size:,}, but {there}; lower it")
    if "batch_size" not in options:
        settings = replace(settings, batch_size=default_batch(size, train))
    if "dropout" not in options and settings.minutes is None:  # how often all is seen is known without timing
        drawn = _steps(settings, train, 0.0, None) * settings.batch_size
        settings = replace(settings, dropout=default_dropout(train.most_epochs(drawn)))
    if start is None:
        model = size.config(vocabulary.size, context, settings.dropout)
        _tell_size(settings.size, size, vocabulary, reporter)
    else:
        model = started_model(start, vocabulary, context, settings.dropout, options.get("lora"))
    settled = partial(_settled, material, vocabulary, train, world, began, program, outlook, reporter)
    plan = settled(settings, model)
    drawn = plan.settings.steps * plan.settings.batch_size
    dropout = options.get("dropout", default_dropout(train.most_epochs(drawn)))
    if dropout == settings.dropout:
        return plan
    # Dropout takes time and memory of its own.
    return settled(replace(settings, dropout=dropout), replace(model, dropout=dropout))


def describe(decided: Decisions, material: Material) -> str:
    """The decisions in one line."""
    settings = decided.settings
    with torch.device("meta"):
        parameters = parameter_count(material.trainer(decided.model, decided.vocabulary, settings).build_model())
    tokens = sum(s.target_length(int(i)) for s in material.sources for i in (~s.held_out).nonzero()[0])
    learned = ", ".join(f"{task} {number:,}" for task, number in decided.target_tokens.items())
    mixture = f"target tokens: {learned}; " if len(decided.target_tokens) > 1 else ""
    return (
        f"{parameters / 1e6:.2f} M parameters, context {decided.model.context_length:,}, {tokens:,} training tokens; "
        f"{count(settings.steps, 'step')} of {count(settings.batch_size, 'row')} ({about(decided.epochs, 'epoch')}), "
        f"{mixture}{learner_text(settings.to_json())}, dropout {settings.dropout:g}, "
        f"{settings.device} with {count(settings.threads, 'thread')}, seed {settings.seed}; "
        f"{_how(settings, decided.model.width)}"
    )


def _how(settings: RunSettings, width: int) -> str:
    """Precision and compilation, with the reasons for them."""
    device = torch.device(settings.device)
    precision = choose_precision(None, device).why(settings.autocast)
    compiled = choose_compile(None, device, settings.minutes, width).why(settings.compile)
    verb = "compiled" if settings.compile else "not compiled"
    return f"{settings.autocast or 'float32'} ({precision}), {verb} ({compiled})"


def _tell_size(asked: str, size: Size, vocabulary: Vocabulary, reporter: Reporter) -> None:
    """Say so where a vocabulary makes the model much larger than its size says."""
    usual = usual_vocabulary(size.training_tokens / TOKENS_PER_PARAMETER)
    parameters = size.parameters(vocabulary.size)
    if parameters > LARGER * size.parameters(usual):
        reporter.note(
            f"size {asked} is {show_parameters(parameters)} parameters here: the vocabulary has {vocabulary.size:,} "
            f"ids, and sizes are counted with {usual:,}"
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
    device = world.device(options.get("device"))
    minutes = options.get("minutes", None if "steps" in options or "epochs" in options else DEFAULT_MINUTES)
    optimizer = options.get("optimizer", "adamw" if "lora" in options else "muon")
    return RunSettings(
        size=options.get("size", DEFAULT_SIZE),
        steps=options.get("steps", 1),
        minutes=minutes,
        epochs=options.get("epochs"),
        mix=parse_mix(options["mix"]) if "mix" in options else None,
        reverse=options.get("reverse", reverse),
        seed=options.get("seed", 0),
        batch_size=options.get("batch_size", 1),
        micro_batch_size=options.get("micro_batch_size"),
        optimizer=optimizer,
        learning_rate=options.get("learning_rate", default_rate(options, size, optimizer)),
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
        autocast=choose_precision(options.get("precision"), device).value,
        compile=choose_compile(options.get("compile"), device, minutes, size.width).value,
        checkpoint_activations=options.get("checkpoint_activations", False),
        shard=options.get("shard", "none"),
        checkpoint_minutes=options.get("checkpoint_minutes"),
        keep=options.get("keep", KEEP),
        keep_every=options.get("keep_every"),
        previews=options.get("previews", PREVIEWS),
        tensorboard=options.get("tensorboard", False),
        evaluate_every=1,
    )


def _settled(
    material: Material,
    vocabulary: Vocabulary,
    train: Drawing,
    world: World,
    began: float,
    program: int,
    outlook: bool,
    reporter: Reporter,
    settings: RunSettings,
    model: ModelConfig,
) -> Decisions:
    """Settle the micro-batch, the steps and what follows from them."""
    context = model.context_length
    memory = memory_of(material, settings, model, vocabulary, train, world, program, reporter)
    if settings.micro_batch_size is None:
        settings = replace(settings, micro_batch_size=rows_at_once(memory, settings, world))
    trainer = material.trainer(model, vocabulary, settings)
    held_out = held_out_rows(material.sources, Sequences(vocabulary), context, settings.mix, settings.reverse)
    if outlook:
        timing: Timing | None = expected_time(trainer, settings, memory, train, held_out, world, reporter)
    else:
        timing = budgeted_time(trainer, settings, train, held_out, world, reporter)
    spent = world.first(time.monotonic() - began)  # a budget that is over is over for all of them
    steps = int(world.first(_steps(settings, train, spent, timing)))
    # An evaluation has no backward passes, and its rows are about as long.
    guessed = len(held_out) / settings.batch_size / (1 + BACKWARD)
    evaluations = evaluations_of(steps, guessed if timing is None else timing.evaluation / timing.step)
    drawn = steps * settings.batch_size
    return Decisions(
        settings=replace(
            settings, steps=steps, evaluate_every=min(LONGEST_BETWEEN_EVALUATIONS, -(-steps // evaluations))
        ),
        model=model,
        vocabulary=vocabulary,
        epochs=drawn / train.epoch,
        target_tokens=train.target_tokens(drawn),
        memory=memory,
        timing=timing,
    )


def _steps(settings: RunSettings, train: Drawing, spent: float, timing: Timing | None) -> int:
    """The fewest steps that a budget of epochs or of time leaves; those that were asked for where there is none."""
    budgets = []
    if settings.epochs is not None:
        budgets.append(max(1, math.ceil(settings.epochs * train.epoch / settings.batch_size)))
    if settings.minutes is not None and timing is not None:
        budgets.append(steps_within(settings.minutes, spent, timing))
    return min(budgets, default=settings.steps)


def context_for(sources: Sequence[TokenSource], size: Size, wanted: int | None) -> int:
    """Context length: the smallest power of two that holds the longest document; long text is windowed.

    Raises:
        OptionError: ``wanted`` is too short for a document that must not be cut, or longer than everything.
    """
    longest = max((longest_document(source) - 1 for source in sources if source.modality != "text"), default=0)
    texts = [longest_document(source) - 1 for source in sources if source.modality == "text" and not source.is_stream]
    streams = [size.text_context for source in sources if source.is_stream]
    if wanted is not None:
        if wanted < longest:
            raise OptionError(f"context {wanted} is shorter than the longest document, {longest} tokens; raise it")
        everything = max([longest, *texts, *(_stream_tokens(source) for source in sources if source.is_stream)])
        if streams and wanted > max(everything, *streams):
            raise OptionError(
                f"context {wanted:,} is longer than all of the text to learn from, {count(everything, 'token')}; "
                f"{max(streams):,} is usual for this size"
            )
        return wanted
    conditional = [min(length, 4 * size.text_context) for length in texts]
    needed = max([longest, *streams, *conditional])
    return 1 << max(4, (needed - 1).bit_length())


def _stream_tokens(source: TokenSource) -> int:
    """Ids of the training part, end to end."""
    return sum(source.target_length(int(part)) + 2 for part in (~source.held_out).nonzero()[0])


def default_rate(options: TrainOptions, size: Size, optimizer: OptimizerKind) -> float:
    """Peak rate: that of the size; weights that were trained already move less, fresh adapters beside them more."""
    rate = size.learning_rate * (1 if optimizer == "muon" else ADAM_SHARE)
    if "lora" in options:
        return rate * ADAPTER_SHARE
    return rate * FINE_TUNING_SHARE if "init_from" in options else rate


def default_dropout(epochs: float) -> float:
    """A tenth where examples of some corpus are seen many times; dropout slows learning down where none are.

    Args:
        epochs: Of the corpus that is repeated most.
    """
    return 0.1 if epochs > FEW_EPOCHS else 0.0


def default_batch(size: Size, train: Drawing) -> int:
    """Rows that make about the size's tokens a step, judged by evenly spaced rows; those learned backward, which read
    much and learn little, come on top."""
    return max(1, min(len(train.rows), round(size.tokens_per_step / train.forward_ids_per_row)))
