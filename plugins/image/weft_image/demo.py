"""What images bring to ``weft demo``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import weft


class ImageDemo(weft.Demo):
    title = "Images"
    about = ""

    def write_source(self, folder: Path, seed: int) -> None: ...
    def requests(self) -> Sequence[weft.DemoRequest]:
        return []
