"""One form for captions in training and prompts in generation, so that what is typed is what was learned."""

from __future__ import annotations

import unicodedata


def normalize_text(text: str) -> str:
    """Unicode NFC, line breaks as ``\\n``; white space is kept."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def normalize_prompt(text: str) -> str:
    """The form of a caption: :func:`normalize_text`, white space runs as single spaces, none at the ends."""
    return " ".join(normalize_text(text).split())
