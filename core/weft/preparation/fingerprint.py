"""What decides what is in a corpus, as one hash: what a killed preparation left is used only where it is equal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft._version import __version__
from weft.interfaces.samples import Item
from weft.storage.hashing import hash_file, hash_json


def plan_hash(
    settings: Mapping[str, Any], code: Sequence[object], items: Sequence[Item], filters: Sequence[Path]
) -> str:
    """Hash of all that decides what becomes of each item, and of what is made of them.

    Args:
        settings: JSON-able.
        code: Objects of plugins that take part; a package that was changed since is another one.
        items: What is read.
        filters: Files of filters that were fitted.
    """
    return hash_json(
        [
            __version__,
            dict(settings),
            sorted({stamp for each in code for stamp in _package_stamps(each)}),
            hash_json([[item.name, item.size, item.stamp, item.source, dict(item.metadata)] for item in items]),
            [hash_file(path) for path in filters],
        ]
    )


def _package_stamps(plugin_object: object) -> list[str]:
    """Names, sizes and times of the modules of the package that the class of an object is from."""
    module = sys.modules.get(type(plugin_object).__module__.split(".")[0])
    file = getattr(module, "__file__", None)
    if file is None:
        return []
    path = Path(file)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    stats = [(each, each.stat()) for each in files]
    return [f"{each.name} {status.st_size} {status.st_mtime_ns}" for each, status in stats]
