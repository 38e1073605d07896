"""The English that every Python carries: the topics of its help and the docstrings of its standard library.

Sources are parsed, never imported.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import weft
from weft_text.prose import prose

_TOPICS = "pydoc_data/topics.py"

# Some systems pack these apart, and others leave them out: without them equal Pythons give equal texts.
_OPTIONAL_MODULES = frozenset(
    {"antigravity", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "this", "tkinter"}
    | {"turtledemo", "venv"}
)
_OTHER_FOLDERS = frozenset({"test", "tests", "_vendor", "__pycache__", "site-packages"})

_FEWEST_CHARS = 200
"""A document of less is a line or two without a context."""


def library_documents() -> Iterator[tuple[str, str]]:
    """Names (``topics/assert``) and texts of documents, a paragraph a line with an empty line between; no paragraph
    occurs twice. Equal Python versions give equal documents.

    Raises:
        weft.SourceError: This Python's standard library is not there as source files.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    seen: set[str] = set()
    for name, docstrings in (*_topics(root), *_modules(root)):
        new = dict.fromkeys(text for docstring in docstrings for text in prose(docstring) if text not in seen)
        seen.update(new)
        document = "\n\n".join(new)
        if len(document) >= _FEWEST_CHARS:
            yield name, document + "\n"


def _topics(root: Path) -> Iterator[tuple[str, Iterable[str]]]:
    topics: dict[str, str] = {}
    for statement in _parse(root / _TOPICS).body:
        if isinstance(statement, ast.Assign):
            topics = ast.literal_eval(statement.value)
    for name in sorted(topics):
        yield f"topics/{name}", [topics[name]]


def _modules(root: Path) -> Iterator[tuple[str, Iterable[str]]]:
    for module in sorted(sys.stdlib_module_names - _OPTIONAL_MODULES):
        single = root / f"{module}.py"
        for path in [single] if single.is_file() else sorted((root / module).rglob("*.py")):
            relative = path.relative_to(root)
            if _OTHER_FOLDERS.isdisjoint(relative.parts):
                yield f"library/{relative.with_suffix('').as_posix()}", _docstrings(_parse(path))


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """In the order of the source, which a walk through the tree is not."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    for node in sorted(documented, key=lambda node: getattr(node, "lineno", 0)):
        yield ast.get_docstring(node, clean=False) or ""


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError) as error:
        raise weft.SourceError(
            f"the demo's text comes from Python's own documentation, but {path} cannot be read ({error}); "
            "use a Python that is installed with its standard library as source files"
        ) from error
