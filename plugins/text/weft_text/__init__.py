"""The text modality of Weft: plain text, Markdown, JSON lines, tables and web pages.

This entry module is light: it only names what is imported on use.
"""

from __future__ import annotations

from collections.abc import Callable

import weft


@weft.hookimpl
def register_modalities(register: Callable[[weft.Modality], None]) -> None:
    register(
        weft.Modality(
            name="text",
            extensions={".txt", ".md", ".jsonl", ".csv", ".tsv", ".parquet", ".html", ".htm"},
            summary="prose, verse and code; prompts with responses",
            preparer="weft_text.preparer:TextPreparer",
            payload="weft_text.payload:TextFormat",
            codecs={"bpe": "weft.codecs.bpe:ByteLevelBPE"},
            generator="weft_text.generator:TextGenerator",
            options="weft_text.options:TextOptions",
            demo="weft_text.demo:TextDemo",
        )
    )
