"""Stage 1 of images."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from PIL.Image import Image

import weft
from weft_image import nsfw
from weft_image.filters import Aspect, Blank, Compression, Contrast, JpegQuality, Sharpness, Size
from weft_image.learning import learn_codec, measure_codec
from weft_image.near import NearImages
from weft_image.network import CodecConfig
from weft_image.options import (
    CODEBOOKS,
    LIMITS,
    ImageOptions,
    check_grid,
    default_grid,
    default_size,
    grid_for_tokens,
    size_for_grid,
)
from weft_image.pixels import fit_square
from weft_image.reading import Header, Picture, read_header, read_pictures

_JUDGED_SIDE = 256
"""Pixels of the shorter side at which sharpness is measured."""
_NSFW_SIDE = 128
"""Pixels of the shorter side from which on pictures are worth the classifier's time."""


class ImagePreparer(weft.Preparer[Image, ImageOptions]):
    """Reads whatever Pillow decodes by itself; every image becomes a square of one size and one kind of color.

    Its options are resolved: only ``codec_folder`` and ``codec_steps`` may be ``None``.
    """

    @classmethod
    def resolve(cls, options: ImageOptions, items: Sequence[weft.Item]) -> ImageOptions:
        """Size, grid, color, codes and whether to look for nudity, from the headers of the files; limits from
        ``quality``; all that a published codec prescribes from its folder.

        Raises:
            weft.OptionError: The size that was given cannot be divided into codes, or a library or a folder that was
                asked for is not there.
        """
        headers = [header for item in items if (header := read_header(item, options.max_pixels)) is not None]
        if options.nsfw == "on":
            nsfw.check_installed()
        shape = _published_shape(options, headers) if options.codec_folder else _learned_shape(options, headers)
        limits: dict[str, Any] = {
            name: value for name, value in LIMITS[options.quality].items() if getattr(options, name) is None
        }
        worth = bool(headers) and shape["color"] == "rgb" and _middle_side(headers) >= _NSFW_SIDE
        found = "on" if worth and nsfw.installed() else "off"
        return replace(options, **shape, **limits, nsfw=options.nsfw or found)

    def read(self, item: weft.Item) -> Iterator[weft.Sample[Image] | weft.Unreadable]:
        """The picture of an item, or every frame, with the caption.

        Raises:
            weft.UnreadableError: See :func:`weft_image.reading.read_pictures`.
        """
        options = self.options
        assert options.size is not None
        assert options.min_size is not None
        wanted = max(options.size, options.min_size, _JUDGED_SIDE if options.min_sharpness else 0)
        pictures = read_pictures(item, wanted, options.max_pixels, options.frames == "all")
        for index, picture in enumerate(pictures):
            yield self._sample(item, index, picture) if isinstance(picture, Picture) else picture

    def clean(self, sample: weft.Sample[Image]) -> weft.Sample[Image]:
        """A square, scaled to ``size``, as ``L`` or ``RGB``."""
        assert self.options.size is not None
        mode = "L" if self.options.color == "gray" else "RGB"
        place = sample.figures.get("crop_x", 0.5), sample.figures.get("crop_y", 0.5)
        square = fit_square(sample.payload, self.options.size, mode, place, pad=self.options.crop == "pad")
        return weft.Sample(square, sample.prompt, sample.figures)

    def filters(self) -> Sequence[weft.Filter[Image]]:
        """Those whose limit is not zero."""
        options = self.options
        assert options.min_size is not None
        assert options.max_aspect is not None
        found: list[weft.Filter[Image]] = [Size(options.min_size), Aspect(options.max_aspect)]
        found += [Compression(options.min_bytes)] if options.min_bytes else []
        found += [JpegQuality(options.min_jpeg_quality)] if options.min_jpeg_quality else []
        found += [Sharpness(options.min_sharpness, _JUDGED_SIDE)] if options.min_sharpness else []
        found += [nsfw.Nsfw(options.nsfw_threshold)] if options.nsfw == "on" else []
        found += [Blank()]
        found += [Contrast(options.min_contrast)] if options.min_contrast else []
        return found

    def near(self) -> NearImages | None:
        return None if self.options.near == "off" else NearImages(self.options.near, self.options.near_mirrored)

    def fit_codec(
        self, samples: Sequence[weft.Sample[Image]], held_out: Sequence[weft.Sample[Image]], fit: weft.Fit
    ) -> weft.FittedCodec[Image]:
        if self.options.codec_folder is not None:
            from weft_image.published import ImageVQ

            published = ImageVQ.from_folder(Path(self.options.codec_folder), _given(self.options.size))
            return weft.FittedCodec(published, measure_codec(published, held_out))
        codec = learn_codec(samples, self._codec_config(), self.options.codec_steps, fit)
        return weft.FittedCodec(codec, measure_codec(codec, held_out))

    def _sample(self, item: weft.Item, index: int, picture: Picture) -> weft.Sample[Image]:
        figures = dict(picture.figures)
        if self.options.crop == "random":
            chance = random.Random(f"{self.options.crop_seed} {index} {item.name}")
            figures |= {"crop_x": chance.random(), "crop_y": chance.random()}
        return weft.Sample(picture.image, item.caption(), figures)

    def _codec_config(self) -> CodecConfig:
        options = self.options
        channels = 1 if options.color == "gray" else 3
        return CodecConfig(_given(options.size), _given(options.grid), channels, CODEBOOKS[_given(options.codes)])


def _given(value: int | None) -> int:
    assert value is not None
    return value


def _middle_side(headers: Sequence[Header]) -> float:
    return median(header.shorter_side for header in headers)


def _learned_shape(options: ImageOptions, headers: Sequence[Header]) -> dict[str, Any]:
    color = options.color or ("gray" if headers and all(header.gray for header in headers) else "rgb")
    try:
        size, grid = _size_and_grid(options, headers)
        check_grid(size, grid)
    except ValueError as error:
        raise weft.OptionError(str(error)) from error
    codes = options.codes or (240 if color == "gray" else 1000)
    return {"size": size, "grid": grid, "color": color, "codes": codes}


def _published_shape(options: ImageOptions, headers: Sequence[Header]) -> dict[str, Any]:
    from weft_image.published import read_facts

    facts = read_facts(Path(options.codec_folder or ""))
    if options.color not in (None, facts.color) or options.codes is not None:
        raise weft.OptionError(
            f"image.color and image.codes are those of the codec in {options.codec_folder} ({facts.color}, "
            f"{facts.codes} codes); leave them out"
        )
    grid = options.grid or (grid_for_tokens(options.tokens) if options.tokens else None)
    size = options.size or (facts.patch * grid if grid else facts.size)
    if size % facts.patch or (grid and size != grid * facts.patch) or size // facts.patch < 2:
        raise weft.OptionError(
            f"a code of the codec in {facts.folder} stands for {facts.patch} x {facts.patch} pixels, so image.size = "
            f"{size} does not go with image.grid = {grid or 'auto'}; give one of them"
        )
    return {"size": size, "grid": size // facts.patch, "color": facts.color, "codes": None}


def _size_and_grid(options: ImageOptions, headers: Sequence[Header]) -> tuple[int, int]:
    """Raises ValueError where the size has no grid."""
    wanted = options.grid or (grid_for_tokens(options.tokens) if options.tokens else None)
    if options.size is not None:
        return options.size, wanted or default_grid(options.size)
    size = default_size(_middle_side(headers)) if headers else default_size(32)
    if wanted is None:
        return size, default_grid(size)
    return size_for_grid(wanted, size), wanted
