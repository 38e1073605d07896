"""What ``weft`` offers: names, errors, and what it costs to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from weft import errors

ROOT = Path(weft.__file__).parent


@pytest.mark.parametrize("name", weft.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    found = getattr(weft, name)
    assert name in dir(weft)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert inspect.getdoc(found)
        assert found.__module__.partition(".")[0] == "weft"


def test_no_other_name_is() -> None:
    assert not hasattr(weft, "Transformer")
    assert len(set(weft.__all__)) == len(weft.__all__)


def test_type_checkers_see_the_same_names() -> None:
    """The names for type checkers are written out a second time; nothing is left out of either list."""
    text = (ROOT / "__init__.py").read_text(encoding="utf-8")
    checked = {line.split(" as ")[-1] for line in text.splitlines() if line.startswith("    from ")}
    assert checked == set(weft.__all__) - {"__version__"}


def test_all_errors_are_weft_errors() -> None:
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
    assert len(kinds) >= 8
    for kind in kinds:
        assert issubclass(kind, weft.WeftError)
        assert getattr(weft, kind.__name__) is kind
        assert inspect.getdoc(kind)


@pytest.mark.parametrize("module", ["torch", "numpy", "pydantic", "PIL", "click", "rich", "pyarrow"])
def test_importing_weft_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, weft; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
