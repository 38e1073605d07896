"""How images are stored and shown: PNG."""

from __future__ import annotations

import hashlib
import html
import io
import zlib
from pathlib import Path

from PIL import Image

import weft

_SHOWN = 128
"""Pixels a side that a small image is enlarged to on a page."""


class ImageFormat(weft.PayloadFormat[Image.Image]):
    """Gray or RGB of 8 bits as PNG, without metadata."""

    extension = ".png"

    def to_bytes(self, payload: Image.Image) -> bytes:
        if payload.mode not in ("L", "RGB"):
            raise ValueError(f"a cleaned image is of mode L or RGB, not {payload.mode}")
        buffer = io.BytesIO()
        bare = payload.copy()
        bare.info.clear()
        # Up to four times as fast as the default and a few percent larger (docs/decisions/image-preparation.md).
        bare.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
        return buffer.getvalue()

    def from_bytes(self, data: bytes) -> Image.Image:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return image.copy()

    def content_hash(self, payload: Image.Image) -> str:
        """Of mode, size and pixels: compressed bytes may differ between versions of zlib."""
        head = f"{payload.mode} {payload.width} {payload.height}\n".encode("ascii")
        return hashlib.sha256(head + payload.tobytes()).hexdigest()

    def media(self, payload: Image.Image) -> tuple[str, bytes]:
        return "image/png", self.to_bytes(payload)

    def html(self, payload: Image.Image, path: Path, *, title: str) -> str:
        file = path.with_name(f"{path.name}{self.extension}")
        file.parent.mkdir(parents=True, exist_ok=True)
        self.save(payload, file)
        times = max(1, _SHOWN // max(payload.size))
        return (
            f'<img src="{html.escape(f"{file.parent.name}/{file.name}")}" alt="{html.escape(title)}" '
            f'width="{payload.width * times}" height="{payload.height * times}" style="image-rendering: pixelated">'
        )
