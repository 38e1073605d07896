"""Every option of training: declared once, for the API, the command line and the documentation.

An option that is left out is decided by :mod:`weft.training.decisions`, and written into the run.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval
from typing_extensions import Doc, TypedDict

from weft.errors import OptionError
from weft.training.shares import parse_mix

if TYPE_CHECKING:
    from pydantic import ValidationError

Positive = Gt(0)
Share = Interval(ge=0, lt=1)


@dataclass(frozen=True, slots=True)
class Metavar:
    """How the value of an option is called in the help."""

    name: str


class ModelOptions(TypedDict, total=False):
    """Model"""

    size: Annotated[
        str,
        Doc("nano (without it), micro, mini, small, base, large, or a number of parameters such as 5M."),
    ]
    context: Annotated[int, Positive, Doc("Context length in tokens; derived from the data without it.")]
    dropout: Annotated[
        float, Share, Doc("Share of activations zeroed; a tenth where a corpus is seen many times, else 0.")
    ]


class StartOptions(TypedDict, total=False):
    """Start"""

    init_from: Annotated[
        str | PathLike[str], Metavar("RUN"), Doc("A run whose best weights this one begins with, for fine-tuning.")
    ]
    lora: Annotated[int, Positive, Doc("Train adapters of this rank alone, beside the weights of --init-from.")]


class BudgetOptions(TypedDict, total=False):
    """Budget"""

    steps: Annotated[int, Positive, Doc("Optimizer steps.")]
    minutes: Annotated[
        float,
        Positive,
        Doc("Time budget; 5 without any. Becomes a number of steps before the first."),
    ]
    epochs: Annotated[
        float,
        Positive,
        Doc("Passes over the corpora; with --minutes, whichever ends first."),
    ]


class MixtureOptions(TypedDict, total=False):
    """Mixture"""

    mix: Annotated[
        str | Mapping[str, float],
        Metavar("SHARES"),
        Doc("Shares of target tokens, text=1,image=2; without it every sample comes equally often."),
    ]
    reverse: Annotated[
        float,
        Share,
        Doc("Share of captioned documents learned from content to caption; half if there are several kinds."),
    ]


class OptimizationOptions(TypedDict, total=False):
    """Optimization"""

    batch_size: Annotated[int, Positive, Doc("Documents or windows a step, over all processes.")]
    micro_batch_size: Annotated[
        int,
        Positive,
        Doc("Of those, how many a process computes at once; as many as memory holds without it."),
    ]
    optimizer: Annotated[Literal["muon", "adamw"], Doc("Of matrices and kernels: muon (without it) or adamw.")]
    learning_rate: Annotated[float, Positive, Doc("Peak rate of the optimizer; follows from the size without it.")]
    weight_decay: Annotated[float, Ge(0), Doc("Of matrices and kernels, decoupled; 0.05 without it.")]
    schedule: Annotated[
        Literal["trapezoid", "cosine", "constant"],
        Doc("Of the learning rate: trapezoid (without it: up, flat, down), cosine or constant."),
    ]
    warmup: Annotated[float, Share, Doc("Share of the steps in which the rate rises; 0.02 without it.")]
    cooldown: Annotated[
        float,
        Interval(ge=0, le=1),
        Doc("Share of the steps in which a trapezoid falls; 0.7 without it."),
    ]
    clip: Annotated[float, Positive, Doc("Largest norm of the gradient; 1 without it.")]
    ema: Annotated[float, Share, Doc("Average the weights with this decay, such as 0.999; not without it.")]
    loss_on: Annotated[
        Literal["target", "all"],
        Doc("What is learned of a document: its target (without it), or all, prompts included."),
    ]
    skip_nonfinite: Annotated[bool, Doc("Leave a step out, and count it, where its loss or gradient is not finite.")]
    seed: Annotated[int, Ge(0), Doc("Of everything random; 0 without it.")]


class ComputeOptions(TypedDict, total=False):
    """Computation"""

    device: Annotated[str, Doc("cpu, cuda or mps; the best there is, or where the run began.")]
    threads: Annotated[int, Positive, Doc("CPU threads; as many as torch takes without it.")]
    precision: Annotated[Literal["float32", "bfloat16"], Doc("bfloat16 is mixed precision; what is faster without it.")]
    compile: Annotated[bool, Doc("Compile the model (torch.compile); where it pays without it.")]
    checkpoint_activations: Annotated[
        bool, Doc("Compute activations twice instead of keeping them: less memory, more time.")
    ]
    shard: Annotated[
        Literal["none", "full"],
        Doc("With several processes: each holds the model (without it), or a part of it (FSDP)."),
    ]


class CheckpointOptions(TypedDict, total=False):
    """Checkpoints"""

    checkpoint_minutes: Annotated[
        float, Positive, Doc("Time between checkpoints; 5, or more where saving takes long, without it.")
    ]
    keep: Annotated[int, Positive, Doc("So many of the last checkpoints stay, and the best; 2 without it.")]
    keep_every: Annotated[int, Positive, Doc("The weights of every N-th step are saved, and stay.")]


class WatchOptions(TypedDict, total=False):
    """Watching"""

    previews: Annotated[int, Ge(0), Doc("So many of each modality at evaluations, of held-out prompts; 2 without it.")]
    tensorboard: Annotated[bool, Doc("Write events for TensorBoard into the run's folder.")]


TrainSections = (
    ModelOptions,
    StartOptions,
    BudgetOptions,
    MixtureOptions,
    OptimizationOptions,
    ComputeOptions,
    CheckpointOptions,
    WatchOptions,
)
"""In the order of the help; the docstring of each is its title."""


class TrainOptions(
    ModelOptions,
    StartOptions,
    BudgetOptions,
    MixtureOptions,
    OptimizationOptions,
    ComputeOptions,
    CheckpointOptions,
    WatchOptions,
    total=False,
):
    """The options of :func:`weft.train`; each may be left out."""


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """One option, for the command line and the documentation.

    Attributes:
        name: As in Python.
        type: ``str``, ``int``, ``float`` or ``bool``.
        choices: The only values, where there are few.
        help: One line.
        section: Title of its group.
        metavar: How its value is called in the help; empty where it has none.
    """

    name: str
    type: type[Any]
    choices: tuple[str, ...]
    help: str
    section: str
    metavar: str


_FREE = {*CheckpointOptions.__annotations__, *WatchOptions.__annotations__, "skip_nonfinite"}


def free_options(options: TrainOptions) -> dict[str, Any]:
    """Those that may be others when a run is resumed, since no step that is taken depends on them."""
    return {name: value for name, value in options.items() if name in _FREE}


_METAVARS: Mapping[type[Any], str] = {str: "NAME", int: "N", float: "X"}


def option_facts() -> Iterator[OptionFacts]:
    """Every option, in order."""
    for section in TrainSections:
        for name, hint in typing.get_type_hints(section, include_extras=True).items():
            kind, *extras = typing.get_args(hint)
            choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
            described = (extra.documentation for extra in extras if isinstance(extra, Doc))
            named = (extra.name for extra in extras if isinstance(extra, Metavar))
            title = (section.__doc__ or "").strip()
            typed = kind if isinstance(kind, type) and not choices else str
            yield OptionFacts(name, typed, choices, next(described, ""), title, next(named, _METAVARS.get(typed, "")))


def check_options(options: TrainOptions) -> TrainOptions:
    """The options with what is ``None`` left out.

    Raises:
        OptionError: An unknown option, a value out of its range, or options that exclude each other.
    """
    given = {name: value for name, value in options.items() if value is not None}
    known = [facts.name for facts in option_facts()]
    for name in given:
        if name not in known:
            raise OptionError(f"train has no option {name!r}; it has {', '.join(known)}")
    checked = _validated(given)
    others = [name for name in ("minutes", "epochs") if name in checked]
    if "steps" in checked and others:
        raise OptionError(f"steps and {others[0]} exclude each other; give one of them")
    return checked


def _validated(given: Mapping[str, Any]) -> TrainOptions:
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config  # listing options needs none of it

    kind = with_config(ConfigDict(allow_inf_nan=False))(TrainOptions)
    try:
        checked: TrainOptions = TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise OptionError(_sentence(error)) from error
    if "mix" in checked:
        checked["mix"] = parse_mix(checked["mix"])
    return checked


_WORDS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be finite",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "literal_error": "must be {expected}",
}


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    problem = _WORDS.get(first["type"], first["msg"].lower()).format(**first.get("ctx", {}))
    return f"{name} {problem}, got {first['input']!r}"


def differences(options: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """What is asked for beside what was recorded, in words, for every option that differs."""
    return [
        f"{name} was {recorded.get(name)}, now {value}"
        for name, value in options.items()
        if recorded.get(name) != value
    ]
