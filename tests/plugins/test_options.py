"""From typed settings to an options dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.errors import OptionError, PluginError
from weft.plugins.options import build_options, check_options_class, describe


@dataclass(frozen=True, slots=True)
class PictureOptions:
    size: int | None = weft.option(None, "Pixels on a side.", minimum=8, maximum=512)
    share: float = weft.option(0.5, "How much.", minimum=0.0, maximum=1.0)
    flip: bool = weft.option(False, "Mirror half of them.")
    mode: str = weft.option("color", "Channels.", choices=("color", "gray"))
    fit: Literal["crop", "pad"] = weft.option("crop", "How to make it square.")
    crop: tuple[int, int] = weft.option((1, 2), "Rows and columns.")

    def __post_init__(self) -> None:
        if self.flip and self.mode == "gray":
            raise ValueError("flip needs color")


def build(**settings: Any) -> PictureOptions:
    found = build_options("image", PictureOptions, {f"image.{name}": value for name, value in settings.items()})
    assert isinstance(found, PictureOptions)
    return found


def test_nothing_set_gives_the_defaults() -> None:
    assert build() == PictureOptions()


def test_strings_of_the_command_line_and_python_values_mean_the_same() -> None:
    typed = build(size="32", share="0.25", flip="true", mode="color", fit="pad", crop="[3, 4]")
    assert typed == build(size=32, share=0.25, flip=True, mode="color", fit="pad", crop=(3, 4))
    assert typed.size == 32
    assert typed.crop == (3, 4)


@pytest.mark.parametrize("word", ["auto", "none", "Auto", None])
def test_an_option_can_be_left_to_the_data(word: str | None) -> None:
    assert build(size=word).size is None


@given(st.integers())
def test_only_integers_in_range_are_taken(value: int) -> None:
    if 8 <= value <= 512:
        assert build(size=str(value)).size == value
    else:
        with pytest.raises(OptionError, match=r"image\.size must be 8 to 512"):
            build(size=str(value))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", "many", "image.size must be of type int or auto, 8 to 512; got 'many'"),
        ("size", "32.5", "image.size must be of type int or auto"),
        ("size", True, "image.size must be of type int or auto"),
        ("share", "nan", "image.share must be of type float, 0 to 1; got 'nan'"),
        ("share", 1.5, "image.share must be 0 to 1, got 1.5"),
        ("share", "auto", "image.share must be of type float"),
        ("flip", "perhaps", "image.flip must be of type bool; got 'perhaps'"),
        ("mode", "grey", "image.mode must be one of color, gray, got 'grey'; did you mean gray?"),
        ("mode", 3, "image.mode must be of type str"),
        ("fit", "stretch", "image.fit must be of type crop or pad; got 'stretch'"),
    ],
)
def test_a_bad_value_gets_a_sentence(name: str, value: object, expected: str) -> None:
    with pytest.raises(OptionError) as caught:
        build(**{name: value})
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["image.sise", "sise", "image.Size"])
def test_an_unknown_option_gets_a_suggestion(name: str) -> None:
    with pytest.raises(OptionError, match=r"is not an option here .* did you mean image\.size\?"):
        build_options("image", PictureOptions, {name: 3})


def test_options_that_do_not_go_together() -> None:
    with pytest.raises(OptionError, match="the options of image do not go together: flip needs color"):
        build(flip=True, mode="gray")


def test_describe() -> None:
    rows = {row.name: row for row in describe(PictureOptions)}
    assert list(rows) == ["size", "share", "flip", "mode", "fit", "crop"]
    assert (rows["size"].type, rows["size"].default, rows["size"].allowed) == ("int", "auto", "8 to 512")
    assert rows["mode"].allowed == "one of color, gray"
    assert (rows["flip"].default, rows["fit"].type) == ("false", "crop or pad")


def test_an_options_class_needs_defaults() -> None:
    @dataclass
    class Bare:
        size: int

    with pytest.raises(PluginError, match="'size' has no default"):
        check_options_class("a:Bare", Bare)
