"""Import paths (``package.module:Name``) to objects, and exceptions of foreign code to one line."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.errors import PluginError

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

FOREIGN_ERRORS = (Exception, SystemExit)
"""What code of a plugin may raise without taking Weft with it; an interrupt by the user passes through."""


def is_import_path(path: object) -> bool:
    """Whether this has the form ``package.module:Name``."""
    return isinstance(path, str) and _PATH.fullmatch(path) is not None


def load_object(path: str) -> Any:
    """Import what an import path names.

    Raises:
        PluginError: The path is malformed, its module cannot be imported, or has no such name.
    """
    if not is_import_path(path):
        raise PluginError(f"{path!r} is not an import path; write it as 'package.module:Name'")
    module_name, _, attributes = path.partition(":")
    try:
        with quiet_stdout():
            value: Any = importlib.import_module(module_name)
    except FOREIGN_ERRORS as error:
        raise PluginError(f"{path} cannot be imported: it {describe_failure(error)}") from error
    for name in attributes.split("."):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            raise PluginError(f"{path} cannot be imported: {module_name} has no {name!r}") from error
    return value


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send what foreign code prints to stderr: stdout belongs to results, which programs read."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def describe_failure(error: BaseException) -> str:
    """One line about an exception of foreign code: ``raised ImportError: No module named 'foo' (weft_foo/a.py:3)``."""
    message = " ".join(str(error).split())
    what = f"raised {type(error).__name__}" + (f": {message}" if message else "")
    place = _place(error)
    return f"{what} ({place})" if place else what


def _place(error: BaseException) -> str | None:
    """Innermost line that belongs neither to the import system nor to this package."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}"
    own = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", own)) and "importlib" not in Path(frame.filename).parts
    ]
    foreign = [frame for frame in frames if "pluggy" not in Path(frame.filename).parts]
    return f"{_short(foreign[-1].filename)}:{foreign[-1].lineno}" if foreign else None


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])
