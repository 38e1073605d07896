"""Sources that plugins add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weft.errors import PluginError
from weft.plugins.registry import get_registry
from weft.preparation.collect import collect

ENTRY = """
import weft

@weft.hookimpl
def register_sources(register):
    register("weft_lines.parts:{name}")
"""

PARTS = '''
import io
from functools import partial
import weft


class Lines(weft.SourceReader):
    """Each line of a file called .lines, which core would take for a file."""

    @classmethod
    def accepts(cls, location):
        return str(location).endswith(".lines")

    def offer(self):
        lines = open(self.location, "rb").read().splitlines()
        items = [weft.Item(f"{n}.x", partial(io.BytesIO, line), len(line)) for n, line in enumerate(lines)]
        return weft.Offer(items, "lines", auxiliary=["end"], warnings=[f"at most {self.limits.members}"])


class NotOne:
    pass
'''


def test_a_reader_of_a_plugin_is_asked_first(fake_plugins: Any, tmp_path: Path) -> None:
    fake_plugins.install("weft_lines", ENTRY.format(name="Lines"), parts=PARTS)
    (tmp_path / "a.lines").write_text("one\ntwo\n")
    found = collect([tmp_path / "a.lines", tmp_path], get_registry())
    assert [(item.name, item.read_bytes()) for item in found.items][:2] == [("0.x", b"one"), ("1.x", b"two")]
    assert found.sources[0].items == 2
    assert (found.auxiliary, list(found.warnings)) == (1, ["at most 1000000"])
    assert [item.name for item in collect([tmp_path / "a.lines"]).items] == ["a.lines"]
    (check,) = [each for each in get_registry().check() if each.plugin.distribution == "weft-lines"]
    assert (check.status, check.registers) == ("ok", ("source: weft_lines.parts:Lines",))


@pytest.mark.parametrize("name", ["NotOne", "Absent"])
def test_what_is_no_reader_is_a_sentence(fake_plugins: Any, tmp_path: Path, name: str) -> None:
    fake_plugins.install("weft_lines", ENTRY.format(name=name), parts=PARTS)
    (check,) = [each for each in get_registry().check() if each.plugin.distribution == "weft-lines"]
    assert check.status == "broken"
    with pytest.raises(PluginError, match=f"weft_lines.parts:{name}"):
        collect([tmp_path], get_registry())
