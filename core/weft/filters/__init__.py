"""Filters on text of every modality: listed words, and what a user labelled; docs/filters.md says what they miss."""

from __future__ import annotations

from weft.filters.fitting import fit_filter
from weft.filters.labels import Labelled, read_labelled
from weft.filters.screen import TextScreen
from weft.filters.text_filter import FilterFacts, FilterReport, Mistake, TextFilter
from weft.filters.words import Hit, WordList

__all__ = [
    "FilterFacts",
    "FilterReport",
    "Hit",
    "Labelled",
    "Mistake",
    "TextFilter",
    "TextScreen",
    "WordList",
    "fit_filter",
    "read_labelled",
]
