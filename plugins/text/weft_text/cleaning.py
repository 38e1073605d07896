"""What cleaning may change in a text, each with a count of what it did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ftfy import TextFixerConfig, fix_encoding

from weft.codecs.prompts import normalize_text
from weft_text.masking import mask

_MOJIBAKE_ALONE = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_c1_controls=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)

# All of Unicode's category Cc but tab, line feed, vertical tab and form feed, which are white space and stand in
# source code; NUL too, for a filter speaks of it. And the byte-order mark, which says nothing inside a text.
_CONTROLS = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Unicode NFC and line breaks as ``\\n`` always; and as asked for:

    Attributes:
        repair: Undo mojibake line by line, and leave out control characters.
        masks: Put ``<email>`` and ``<phone>`` in place of addresses and telephone numbers.
    """

    repair: bool
    masks: bool

    def __call__(self, text: str) -> tuple[str, Mapping[str, float]]:
        """The cleaned text, and the counts that are not zero; a text that was cleaned does not change again."""
        text = normalize_text(text)
        figures = {}
        if self.repair:
            text, figures["repaired_lines"], figures["control_characters"] = _repair(text)
        if self.masks:
            text, figures["masked_emails"], figures["masked_phones"] = mask(text)
        return text, {name: count for name, count in figures.items() if count}


def _repair(text: str) -> tuple[str, int, int]:
    """Until nothing changes, for a control character may hide the other half of a broken letter."""
    repaired = removed = 0
    for _ in range(_ROUNDS):
        before = text
        text, lines = _without_mojibake(text)
        text, controls = _CONTROLS.subn("", text)
        text = normalize_text(text)
        repaired, removed = repaired + lines, removed + controls
        if text == before:
            break
    return text, repaired, removed


def _without_mojibake(text: str) -> tuple[str, int]:
    """UTF-8 that was read as another encoding, as what it was; line by line, for not all need be broken alike."""
    if text.isascii():
        return text, 0
    lines = text.split("\n")
    mended = [line if line.isascii() else fix_encoding(line, _MOJIBAKE_ALONE) for line in lines]
    return "\n".join(mended), sum(before != after for before, after in zip(lines, mended, strict=True))
