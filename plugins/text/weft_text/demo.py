"""What text brings to ``weft demo``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import weft
from weft_text.library import library_documents

# No space at the end: a space belongs to the token of the word that follows it.
_PROMPTS = ("Return the", "This function is called when", "A class is")
_TEMPERATURES = (0.2, 0.6, 1.0)


class TextDemo(weft.Demo):
    """English prose that is on every machine that has Python."""

    title = "Text"
    about = (
        "The English prose of Python's own documentation: the topics of its help and the docstrings of its standard "
        "library, without code, tables and lists. The model learns to continue a sentence in that style."
    )
    minutes = 2.0

    def write_source(self, folder: Path, seed: int) -> None:
        documents = dict(library_documents())
        for name, text in documents.items():
            _write(folder / f"{name}.txt", text.encode("utf-8"))
        for name, data in _bad_files(next(iter(documents.values())), seed).items():
            _write(folder / "unsorted" / name, data)

    def requests(self) -> Sequence[weft.DemoRequest]:
        return [
            weft.DemoRequest(prompt, sampling={"temperature": temperature, "max_tokens": 160, "seed": 1})
            for prompt in _PROMPTS
            for temperature in _TEMPERATURES
        ]


def _bad_files(document: str, seed: int) -> dict[str, bytes]:
    """What a folder of a user's own may hold beside good files."""
    return {
        "binary.txt": b"\0" + random.Random(seed).randbytes(511),
        "copy.txt": document.replace("\n", "\r\n").encode("utf-8"),
        "empty.txt": b"",
        "latin-1.txt": "Le café est servi à la fenêtre du château.\n".encode("latin-1"),
    }


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
