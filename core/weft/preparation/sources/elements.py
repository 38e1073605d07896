"""One element of a data set in memory: what of it is the content, and what describes it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from weft.preparation.sources.rows import strings

Kind = Literal["image", "audio", "text"]
EXTENSIONS: Mapping[Kind, str] = {"image": ".png", "audio": ".wav", "text": ".txt"}

_RATES = ("sampling_rate", "sample_rate", "rate")
_CHANNELS = (1, 3, 4)
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})


@dataclass(frozen=True, slots=True)
class Element:
    """An element taken apart.

    Attributes:
        kind: What the content is.
        content: A picture of Pillow, an array, or a text.
        rate: Samples a second of an array that is a waveform.
        rest: All else, in order; by name where it has names.
    """

    kind: Kind
    content: Any
    rate: int = 0
    rest: Mapping[str, Any] | Sequence[Any] = field(default_factory=tuple)


def take_apart(element: Any) -> Element:
    """The content of an element and the rest.

    Raises:
        ValueError: There is no picture, waveform with its rate, or text in it.
    """
    if isinstance(element, Mapping):
        return _from_mapping(element)
    values = list(element) if isinstance(element, tuple | list) else [element]
    for place, value in enumerate(values):
        if is_picture(value):
            return Element("image", value, rest=[*values[:place], *values[place + 1 :]])
        following = values[place + 1] if place + 1 < len(values) else None
        if _is_array(value) and value.ndim <= 2 and _is_number(following):
            return Element("audio", value, int(following or 0), [*values[:place], *values[place + 2 :]])
    for place, value in enumerate(values):
        if isinstance(value, str):
            return Element("text", value, rest=[*values[:place], *values[place + 1 :]])
    found = ", ".join(type(value).__name__ for value in values)
    raise ValueError(f"there is no picture, waveform with its rate, or text in it, but {found}")


def _from_mapping(element: Mapping[str, Any]) -> Element:
    for name, value in element.items():
        rest = {key: other for key, other in element.items() if key != name}
        if is_picture(value):
            return Element("image", value, rest=rest)
        if isinstance(value, Mapping) and {"array", "sampling_rate"} <= set(value):
            return Element("audio", value["array"], int(value["sampling_rate"]), rest)
        rate = next((key for key in _RATES if _is_number(element.get(key))), None)
        if _is_array(value) and value.ndim <= 2 and rate is not None:
            return Element("audio", value, int(rest.pop(rate)), rest)
    if isinstance(element.get("text"), str):
        return Element("text", element["text"], rest={key: value for key, value in element.items() if key != "text"})
    raise ValueError(f"there is no picture, waveform with its rate, or text in it, but {', '.join(map(str, element))}")


def describe(rest: Mapping[str, Any] | Sequence[Any], classes: Sequence[str]) -> dict[str, str]:
    """What stands beside the content, as a row: the first text is ``text``, the number of a class its name as
    ``label``."""
    if isinstance(rest, Mapping):
        named = {name: _plain(value) for name, value in rest.items()}
        if isinstance(named.get("label"), int):
            named["label"] = _class_name(named["label"], classes)
        return strings({name: value for name, value in named.items() if not is_picture(value) and not _is_array(value)})
    row: dict[str, Any] = {}
    for value in map(_plain, rest):
        if isinstance(value, list) and value and isinstance(value[0], str):
            row.setdefault("text", value[0])
        elif isinstance(value, str):
            row.setdefault("text", value)
        elif isinstance(value, int | float):
            row.setdefault("label", _class_name(value, classes))
        elif isinstance(value, Mapping):
            row.update({name: inner for name, inner in strings(value).items() if name not in row})
    return strings(row)


def encode(element: Element) -> bytes:
    """The content as a file: PNG, WAV of 32-bit floats, or UTF-8."""
    if element.kind == "text":
        return str(element.content).encode("utf-8", "surrogatepass")
    return _png(element.content) if element.kind == "image" else _wav(element.content, element.rate)


def is_picture(value: Any) -> bool:
    """Whether a value is a picture of Pillow, or an array of three axes of which the first or the last is of
    channels."""
    if hasattr(value, "getbands") and hasattr(value, "save"):
        return True
    return _is_array(value) and value.ndim == 3 and (value.shape[0] in _CHANNELS or value.shape[-1] in _CHANNELS)


def _png(picture: Any) -> bytes:
    from PIL import Image

    if _is_array(picture):
        import numpy as np

        array = np.asarray(picture)
        array = np.moveaxis(array, 0, -1) if array.shape[0] in _CHANNELS else array
        if array.dtype.kind == "f":
            array = np.clip(np.rint(array * 255), 0, 255)
        array = array.astype(np.uint8)
        picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    if picture.mode not in _PNG_MODES:
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _wav(waveform: Any, rate: int) -> bytes:
    import numpy as np
    import soundfile  # type: ignore[import-untyped] # whoever prepares audio has it

    samples = np.asarray(waveform)
    if samples.dtype.kind in "iu":
        samples = samples / float(-np.iinfo(samples.dtype).min or np.iinfo(samples.dtype).max)
    buffer = io.BytesIO()
    # Torchaudio has channels first, and a file has them last.
    soundfile.write(buffer, samples.T.astype(np.float32), rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "ndim") and value.ndim >= 1


def _is_number(value: Any) -> bool:
    return isinstance(_plain(value), int | float) and not isinstance(value, bool) and _plain(value) >= 1


def _plain(value: Any) -> Any:
    """A number of NumPy or torch as one of Python."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value


def _class_name(number: Any, classes: Sequence[str]) -> str:
    inside = isinstance(number, int) and 0 <= number < len(classes)
    return str(classes[number]) if inside else str(number)
