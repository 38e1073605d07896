"""Files that are given as prompts: read and cleaned as those of a corpus are, and judged by nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.errors import OptionError, SourceError, WeftError
from weft.interfaces.samples import Item, Sample
from weft.plugins.options import resolve_options
from weft.plugins.registry import Registry
from weft.preparation.collect import collect
from weft.preparation.examine import Judges, RejectedError, describe_error
from weft.preparation.infer import infer_modality

Options = Mapping[str, Mapping[str, Any]]
"""Preparation options of each modality, by full name."""


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A file that is given as a prompt.

    Attributes:
        name: As the user would name it.
        modality: By its extension.
        item: Its content.
    """

    name: str
    modality: str
    item: Item


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A cleaned payload.

    Attributes:
        name: Of its file; with its number, where the file holds several.
        modality: Of the payload.
        payload: As a corpus would hold it.
    """

    name: str
    modality: str
    payload: Any


def find_prompts(paths: Sequence[str | Path], registry: Registry) -> list[PromptFile]:
    """The files that are named, and those in folders that are, in their order.

    Raises:
        SourceError: One is not there, there is nothing in a folder, or no installed plugin reads a file.
    """
    found = []
    for path in paths:
        whole = Path(path).is_file()
        for item in collect([path], registry).items:
            name = str(path) if whole else str(Path(path) / item.name)
            try:
                modality = infer_modality([item], registry)
            except SourceError as error:
                raise SourceError(f"{name} cannot be a prompt: {error}") from error
            found.append(PromptFile(name, modality, item))
    return found


def read_prompts(files: Sequence[PromptFile], options: Options, registry: Registry) -> list[ReadPrompt]:
    """The payloads in some files.

    Args:
        files: From :func:`find_prompts`.
        options: Those that the corpora of each modality were prepared with; the plugin's own where there are none.
        registry: Knows the preparers.

    Raises:
        SourceError: One cannot be read or cleaned.
    """
    judges = {name: _judges(name, options, registry) for name in {file.modality for file in files}}
    return [prompt for file in files for prompt in _read(file, judges[file.modality])]


def clean_prompt(payload: Any, modalities: Sequence[str], options: Options, registry: Registry) -> ReadPrompt:
    """A payload in memory, in the form of the first modality whose plugin takes it.

    Args:
        payload: What a plugin calls a payload: an image of Pillow, a waveform, ...
        modalities: Which it can be of.
        options: As for :func:`read_prompts`.
        registry: Knows the preparers.

    Raises:
        OptionError: None of them takes it.
    """
    for name in modalities:
        judges = _judges(name, options, registry)
        try:
            sample = judges.cleaned(Sample(payload))
            judges.stored(sample)
        except RejectedError:
            continue
        return ReadPrompt("", name, sample.payload)
    known = "".join(f", or a payload of {name}" for name in modalities)
    raise OptionError(f"a prompt must be text{known}; got an object of type {type(payload).__name__}")


def _judges(modality: str, options: Options, registry: Registry) -> Judges:
    resolved = resolve_options(registry, modality, options.get(modality, {}))
    preparer = registry.preparer_class(modality)
    if modality not in options:
        resolved = preparer.resolve(resolved, ())
    return Judges(modality, preparer(resolved), (), registry.payload_format(modality))


def _read(file: PromptFile, judges: Judges) -> Iterator[ReadPrompt]:
    payloads = list(_payloads(file, judges))
    if not payloads:
        raise SourceError(f"there is nothing in {file.name} that could be a prompt; choose another file")
    for number, payload in enumerate(payloads):
        yield ReadPrompt(file.name if len(payloads) == 1 else f"{file.name}#{number}", file.modality, payload)


def _payloads(file: PromptFile, judges: Judges) -> Iterator[Any]:
    try:
        for sample in judges.preparer.read(file.item):
            if not isinstance(sample, Sample):
                raise _unreadable(file, sample.detail)
            yield judges.cleaned(sample).payload
    except RejectedError as error:
        raise _unreadable(file, error.reason.detail) from error
    except WeftError as error:
        raise error if isinstance(error, SourceError) else _unreadable(file, str(error)) from error
    except Exception as error:
        raise _unreadable(file, describe_error(error)) from error


def _unreadable(file: PromptFile, why: str) -> SourceError:
    return SourceError(f"{file.name} cannot be read as {file.modality} ({why.rstrip('.')}); check the file")
