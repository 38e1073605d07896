"""What makes two corpora the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from weft.storage.corpus import content_hash
from weft.storage.tables import PartRow
from weft.storage.tokens import TokenLayer

PART = PartRow("a.x", 0, 0, "train", "typed", "ab")


def digest(**changes: Any) -> str:
    given: dict[str, Any] = {"part": PART, "options": {"x.a": 1, "x.b": None}, "codec": "cd", "ids": [1, 2], "vocab": 9}
    given |= changes
    layer = TokenLayer.from_arrays([np.asarray(given["ids"], np.int32)], given["vocab"])
    return content_hash("x", [given["part"]], given["options"], {"x": given["codec"]}, {"payload": layer})


@pytest.mark.parametrize(
    "changes",
    [
        {"part": dataclasses.replace(PART, split="validation")},
        {"part": dataclasses.replace(PART, prompt=None)},
        {"part": dataclasses.replace(PART, sha256="ac")},
        {"options": {"x.a": 2, "x.b": None}},
        {"codec": "ce"},
        {"ids": [1, 3]},
    ],
)
def test_content_makes_a_difference(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"part": dataclasses.replace(PART, item="renamed.x")},
        {"options": {"x.b": None, "x.a": 1}},
        {"vocab": 1 << 20},
    ],
)
def test_form_makes_none(changes: dict[str, Any]) -> None:
    assert digest(**changes) == digest()
