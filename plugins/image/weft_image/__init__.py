"""The image modality of Weft: everything that Pillow decodes by itself.

This entry module is light: it only names what is imported on use.
"""

from __future__ import annotations

from collections.abc import Callable

import weft

# Those of the formats in weft_image.reading.
_EXTENSIONS = {
    ".apng", ".avif", ".avifs", ".blp", ".bmp", ".bw", ".cur", ".dcx", ".dds", ".dib", ".fit", ".fits", ".flc", ".fli",
    ".ftc", ".ftu", ".gif", ".icb", ".icns", ".ico", ".im", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg",
    ".jpf", ".jpg", ".jpx", ".mpo", ".msp", ".pbm", ".pcd", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd",
    ".pxr", ".qoi", ".ras", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp", ".xbm", ".xpm",
}  # fmt: skip


@weft.hookimpl
def register_modalities(register: Callable[[weft.Modality], None]) -> None:
    register(
        weft.Modality(
            name="image",
            extensions=_EXTENSIONS,
            summary="photos, drawings and icons, with captions or without",
            preparer="weft_image.preparer:ImagePreparer",
            payload="weft_image.payload:ImageFormat",
            codecs={"image-fsq": "weft_image.codec:ImageFSQ", "image-vq": "weft_image.published:ImageVQ"},
            generator="weft_image.generator:ImageGenerator",
            options="weft_image.options:ImageOptions",
            demo="weft_image.demo:ImageDemo",
        )
    )
