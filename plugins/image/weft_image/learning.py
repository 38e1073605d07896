"""How the image codec is learned, and how well it did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

import weft
from weft.codecs.reconstruction import ReconstructionTrainer
from weft_image.codec import ImageFSQ, normalize, to_tensor
from weft_image.network import Autoencoder, CodecConfig

if TYPE_CHECKING:
    from weft_image.published import ImageVQ

_BATCH = 16
_BATCH_CODES = _BATCH * 8 * 8
_SMALLEST_BATCH = 4
_STEPS = 1200
_FEWEST_STEPS = 300
_MEMORY = 256 * 2**20
"""Bytes of decoded pixels that are held while learning; of more images evenly spaced ones are taken."""
_MEASURED = 256
"""Held-out images that are enough to say how well the codec does."""


class Pictures(weft.Dataset[Tensor]):
    """Pixels of images in memory, as the network wants them."""

    def __init__(self, samples: Sequence[weft.Sample[Image]], config: CodecConfig) -> None:
        count = min(len(samples), max(1, _MEMORY // (config.channels * config.size**2)))
        places = [place * len(samples) // count for place in range(count)]
        self._pixels = torch.cat([to_tensor([samples[place].payload]) for place in places])

    def __len__(self) -> int:
        return len(self._pixels)

    def draw(self, index: int, epoch: int) -> Tensor:
        return normalize(self._pixels[index])


def learn_codec(
    samples: Sequence[weft.Sample[Image]], config: CodecConfig, steps: int | None, fit: weft.Fit
) -> ImageFSQ:
    """Fit a codec to cleaned images through core's loop.

    Args:
        samples: For training.
        config: Of the network.
        steps: ``None`` follows from the number of samples.
        fit: The loop.
    """
    model = fit(
        ReconstructionTrainer(lambda: Autoencoder(config), squared_error),
        Pictures(samples, config),
        steps=steps or default_steps(len(samples)),
        batch_size=min(_BATCH, max(_SMALLEST_BATCH, _BATCH_CODES // config.grid**2)),
        description="image codec",
    )
    return ImageFSQ(config, model)


def default_steps(count: int) -> int:
    """Steps for so many images: few images have little to teach."""
    return min(_STEPS, _FEWEST_STEPS + count // 2)


def squared_error(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Mean over the pixels of each image, ``(B,)``."""
    return (reconstruction - target).square().flatten(1).mean(1)


def measure_codec(codec: ImageFSQ | ImageVQ, samples: Sequence[weft.Sample[Image]]) -> dict[str, float]:
    """Figures on images that the codec has not seen.

    Args:
        codec: Learned or published.
        samples: Cleaned.

    Returns:
        ``psnr_db``, the mean over images of the peak signal-to-noise ratio of pixels, and ``codes_used``, the share of
        the codebook that occurs; nothing without samples.
    """
    images = [sample.payload for sample in islice(samples, _MEASURED)]
    if not images:
        return {}
    tokens = codec.encode(images)
    ratios = [psnr(image, back) for image, back in zip(images, codec.decode(tokens), strict=True)]
    used = np.unique(np.concatenate(tokens))
    return {"psnr_db": float(np.mean(ratios)), "codes_used": float((used < codec.code_count).sum() / codec.code_count)}


def psnr(image: Image, other: Image) -> float:
    """Peak signal-to-noise ratio of two 8-bit images of one size, in decibels; at most 99, for equal ones."""
    difference = np.asarray(image, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return float(min(99.0, 10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9))))
