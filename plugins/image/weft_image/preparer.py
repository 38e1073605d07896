"""Stage 1 of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from PIL.Image import Image

import weft
from weft_image.filters import Aspect, Blank, Size
from weft_image.learning import learn_codec, measure_codec
from weft_image.network import CodecConfig
from weft_image.options import CODEBOOKS, ImageOptions, check_grid, default_grid, default_size, size_for_grid
from weft_image.pixels import fit_square
from weft_image.reading import Header, read_header, read_image


class ImagePreparer(weft.Preparer[Image, ImageOptions]):
    """Reads whatever Pillow decodes by itself; every image becomes a square of one size and one kind of color.

    Its options are resolved: ``size``, ``grid``, ``color`` and ``codes`` are set.
    """

    @classmethod
    def resolve(cls, options: ImageOptions, items: Sequence[weft.Item]) -> ImageOptions:
        """Size, grid, color and codes from the headers of the files.

        Raises:
            weft.OptionError: The size that was given cannot be divided into codes.
        """
        headers = [header for header in map(read_header, items) if header is not None]
        color = options.color or ("gray" if headers and all(header.gray for header in headers) else "rgb")
        try:
            size, grid = _size_and_grid(options, headers)
            check_grid(size, grid)
        except ValueError as error:
            raise weft.OptionError(str(error)) from error
        codes = options.codes or (240 if color == "gray" else 1000)
        return replace(options, size=size, grid=grid, color=color, codes=codes)

    def read(self, item: weft.Item) -> Iterator[weft.Sample[Image]]:
        """One sample an item, with its caption.

        Raises:
            weft.UnreadableError: See :func:`weft_image.reading.read_image`.
        """
        wanted = max(self._codec_config().size, self.options.min_size)
        yield weft.Sample(read_image(item, wanted), item.caption())

    def clean(self, sample: weft.Sample[Image]) -> weft.Sample[Image]:
        """The middle square, scaled to ``size``, as ``L`` or ``RGB``."""
        mode = "L" if self.options.color == "gray" else "RGB"
        return weft.Sample(fit_square(sample.payload, self._codec_config().size, mode), sample.prompt)

    def filters(self) -> Sequence[weft.Filter[Image]]:
        return (Size(self.options.min_size), Aspect(self.options.max_aspect), Blank())

    def fit_codec(
        self, samples: Sequence[weft.Sample[Image]], held_out: Sequence[weft.Sample[Image]], fit: weft.Fit
    ) -> weft.FittedCodec[Image]:
        codec = learn_codec(samples, self._codec_config(), self.options.codec_steps, fit)
        return weft.FittedCodec(codec, measure_codec(codec, held_out))

    def _codec_config(self) -> CodecConfig:
        size, grid, codes = self.options.size, self.options.grid, self.options.codes
        assert size is not None
        assert grid is not None
        assert codes is not None
        return CodecConfig(size, grid, 1 if self.options.color == "gray" else 3, CODEBOOKS[codes])


def _size_and_grid(options: ImageOptions, headers: Sequence[Header]) -> tuple[int, int]:
    """Raises ValueError where the size has no grid."""
    if options.size is not None:
        return options.size, options.grid or default_grid(options.size)
    size = default_size(median(header.shorter_side for header in headers)) if headers else default_size(32)
    if options.grid is None:
        return size, default_grid(size)
    return size_for_grid(options.grid, size), options.grid
