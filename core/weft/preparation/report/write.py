"""``report.html`` with its files, and the data card, in a corpus folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from weft.pages.numbers import count, figure, share, size
from weft.pages.template import render_page
from weft.plugins.registry import Registry
from weft.preparation.report.card import data_card
from weft.preparation.report.view import view_corpus
from weft.storage.atomic import write_text
from weft.storage.corpus import CARD, REPORT, REPORT_MEDIA, CorpusFolder


def write_report(corpus: CorpusFolder, folder: Path, registry: Registry) -> None:
    """Write the page, what it shows and the data card; what an earlier call wrote is replaced.

    The same corpus gives the same bytes. Time and memory grow with the number of samples only as far as columns of
    numbers and short strings do, and the page does not grow at all: what it shows is a fixed number of examples.

    Args:
        corpus: A corpus; its folder need not have its name yet.
        folder: Where to write; that of the corpus, usually.
        registry: Knows how payloads are shown.

    Raises:
        FolderError: The corpus is damaged.
        PluginError: The plugin of its modality is missing.
    """
    shutil.rmtree(folder / REPORT_MEDIA, ignore_errors=True)
    view = view_corpus(corpus, folder, registry)
    page = render_page(
        "weft.preparation.report", "report.html", view=view, count=count, figure=figure, share=share, size=size
    )
    write_text(folder / REPORT, page)
    write_text(folder / CARD, data_card(view))
