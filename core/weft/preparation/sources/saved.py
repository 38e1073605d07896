"""A folder that ``save_to_disk`` of Hugging Face ``datasets`` wrote; read without that library."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.arrow import ArrowFiles, table_entries
from weft.preparation.sources.entries import Entry
from weft.preparation.sources.local import local_file
from weft.preparation.sources.splits import blank_captions
from weft.storage.hashing import hash_json

_STATE = "state.json"
_INFO = "dataset_info.json"
_SPLITS = "dataset_dict.json"


class SavedDatasetReader(SourceReader):
    """A ``Dataset``, or a ``DatasetDict`` with all its splits."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        if not isinstance(location, str | Path) or not os.path.isdir(location):  # noqa: PTH112 - false for any string
            return False
        folder = Path(location)
        return (folder / _SPLITS).is_file() or ((folder / _STATE).is_file() and (folder / _INFO).is_file())

    def offer(self) -> Offer:
        root = Path(self.location)
        try:
            if (root / _SPLITS).is_file():
                splits = json.loads((root / _SPLITS).read_text(encoding="utf-8"))["splits"]
                entries = [entry for split in splits for entry in self._table(root / Path(split).name, f"{split}/")]
            else:
                entries = self._table(root, "")
        # Arrow and JSON fail in ways of their own; all mean that the folder is damaged.
        except Exception as error:
            raise SourceError(
                f"the data set {root} cannot be read ({error}); save it again with save_to_disk"
            ) from error
        items = [entry.item() for entry in blank_captions(entries)]
        return Offer(items, Path(os.path.realpath(root)).name)

    def _table(self, folder: Path, prefix: str) -> list[Entry]:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        info = json.loads((folder / _INFO).read_text(encoding="utf-8"))
        files = tuple(str(folder / Path(each["filename"]).name) for each in state["_data_files"])
        if not files:
            return []
        view = ArrowFiles(files, json.dumps(info.get("features") or {}))
        # Names of classes are content as well: they become the captions.
        stamp = hash_json([view.features, [local_file(path)[0].stamp_text() for path in files]])
        return table_entries(view, prefix, str(self.location), stamp)
