"""Where callbacks of plugins live; what they may do is in tests/api/test_watching.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from weft.plugins.registry import get_registry
from weft.training.foreign import foreign_callbacks
from weft.training.world import World

ENTRY = """
import weft

@weft.hookimpl
def register_callbacks(register):
    register("weft_where.parts:First")
    register("weft_where.parts:Everywhere")
"""

PARTS = """
import weft

MADE = []

class First(weft.Callback):
    def __init__(self):
        MADE.append(type(self).__name__)

class Everywhere(First):
    everywhere = True
"""


@pytest.mark.parametrize(("rank", "expected"), [(0, ["First", "Everywhere"]), (1, ["Everywhere"])])
def test_a_callback_is_made_where_it_lives(fake_plugins: Any, rank: int, expected: list[str]) -> None:
    fake_plugins.install("weft_where", ENTRY, parts=PARTS)
    loop: Any = SimpleNamespace(world=World(rank=rank, size=2))
    registry = get_registry()
    made = foreign_callbacks(registry, loop)
    parts = __import__("weft_where.parts").parts
    assert expected == parts.MADE
    assert [each.everywhere for each in made] == [name == "Everywhere" for name in expected]
