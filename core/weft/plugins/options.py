"""From what a user typed to the typed options of a modality."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.errors import OptionError, PluginError
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure

if TYPE_CHECKING:
    from weft.plugins.registry import Registry

UNSET_WORDS = frozenset({"auto", "none"})
"""Typed for an option that may be left to the data."""


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option, for help and documentation.

    Attributes:
        name: Without the modality.
        type: As a person would say it: ``int``, ``float``.
        default: As typed; ``auto`` where it is derived from the data.
        allowed: Range or choices, in words; empty where anything goes.
        help: One line.
    """

    name: str
    type: str
    default: str
    allowed: str
    help: str


def resolve_options(registry: Registry, modality: str, settings: Mapping[str, Any]) -> Any:
    """The options dataclass of a modality, with settings filled in and checked.

    Args:
        registry: Knows the modality.
        modality: Registered name.
        settings: By full name (``image.size``); values are Python values, or strings as typed on the command line.

    Raises:
        OptionError: An unknown option, or a value of the wrong type or out of range.
        PluginError: The modality, or its options class, is missing.
    """
    options_class = registry.options_class(modality)
    return build_options(modality, options_class, settings)


def build_options(modality: str, options_class: type[Any], settings: Mapping[str, Any]) -> Any:
    """As :func:`resolve_options`, for an options class at hand."""
    fields = {f"{modality}.{field.name}": field for field in _fields(options_class)}
    hints = _hints(options_class)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in fields:
            raise OptionError(_explain_unknown(name, modality, list(fields)))
        field = fields[name]
        converted = _convert(name, value, hints[field.name], field)
        _check_allowed(name, converted, field)
        values[field.name] = converted
    try:
        return options_class(**values)
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(f"the options of {modality} do not go together: {error}") from error


def describe(options_class: type[Any]) -> list[OptionRow]:
    """A row for each option, in the order of the dataclass."""
    hints = _hints(options_class)
    return [
        OptionRow(
            name=field.name,
            type=_type_name(hints[field.name]),
            default=_shown(_default(field)),
            allowed=_allowed(field),
            help=str(field.metadata.get("help", "")),
        )
        for field in _fields(options_class)
    ]


def place_options(options: Any) -> list[str]:
    """Names of the options that say where something lies on this machine."""
    return [field.name for field in _fields(type(options)) if field.metadata.get("place")]


def check_options_class(path: str, found: object) -> type[Any]:
    """Return what an import path named if it can serve as options: a dataclass with a default for each field.

    Raises:
        PluginError: It cannot.
    """
    if not isinstance(found, type) or not dataclasses.is_dataclass(found):
        raise PluginError(f"{path} is not a dataclass; options are a dataclass with fields made by weft.option")
    without = [field.name for field in _fields(found) if not _has_default(field)]
    if without:
        raise PluginError(f"{path}: the option {without[0]!r} has no default; make it with weft.option")
    _hints(found)
    return found


def _fields(options_class: type[Any]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(options_class) if field.init]


def _hints(options_class: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(options_class)
    except FOREIGN_ERRORS as error:
        where = f"{options_class.__module__}:{options_class.__qualname__}"
        raise PluginError(f"the types of {where} cannot be read: it {describe_failure(error)}") from error


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _explain_unknown(name: str, modality: str, known: Sequence[str]) -> str:
    wanted = name if "." in name else f"{modality}.{name}"
    close = difflib.get_close_matches(wanted, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{name} is not an option here (there are: {', '.join(known) or 'none'}){hint}"


def _convert(name: str, value: Any, hint: Any, field: dataclasses.Field[Any]) -> Any:
    if _takes(hint, type(None)) and (value is None or _is_unset(value, hint)):
        return None
    # A lax conversion would take True for 1, which nobody who writes it means.
    if isinstance(value, bool) and not _takes(hint, bool):
        raise OptionError(_explain_value(name, value, hint, field))
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    try:
        converted = adapter.validate_python(value)
    except ValidationError as error:
        try:
            converted = adapter.validate_json(value) if isinstance(value, str) else None
        except ValidationError:
            converted = None
        if converted is None:
            raise OptionError(_explain_value(name, value, hint, field)) from error
    if isinstance(converted, float) and not math.isfinite(converted):
        raise OptionError(_explain_value(name, value, hint, field))
    return converted


def _is_unset(value: Any, hint: Any) -> bool:
    return isinstance(value, str) and value.lower() in UNSET_WORDS and not _takes(hint, str)


def _members(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _takes(hint: Any, kind: type) -> bool:
    return kind in _members(hint)


def _check_allowed(name: str, value: Any, field: dataclasses.Field[Any]) -> None:
    if value is None:
        return
    low, high, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    too_small = low is not None and value < low
    too_large = high is not None and value > high
    if too_small or too_large or (choices is not None and value not in choices):
        close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1) if choices else []
        hint = f"; did you mean {close[0]}?" if close else ""
        raise OptionError(f"{name} must be {_allowed(field)}, got {value!r}{hint}")


def _explain_value(name: str, value: Any, hint: Any, field: dataclasses.Field[Any]) -> str:
    allowed = _allowed(field)
    unset = " or auto" if _takes(hint, type(None)) and not _takes(hint, str) else ""
    return f"{name} must be of type {_type_name(hint)}{unset}{f', {allowed}' if allowed else ''}; got {value!r}"


def _allowed(field: dataclasses.Field[Any]) -> str:
    low, high, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if choices is not None:
        return "one of " + ", ".join(_shown(choice) for choice in choices)
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def _type_name(hint: Any) -> str:
    names = [
        member.__name__ if isinstance(member, type) and not typing.get_args(member) else _literal(member)
        for member in _members(hint)
        if member is not type(None)
    ]
    return " or ".join(names)


def _literal(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(str(choice) for choice in typing.get_args(hint))
    return str(hint).replace("typing.", "")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "auto" if value is None else str(value)
