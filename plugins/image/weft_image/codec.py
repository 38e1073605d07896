"""Images to tokens and back: a learned grid of codes, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms  # type: ignore[import-untyped]

import weft
from weft.codecs.learned import LearnedCodec
from weft_image.network import Autoencoder, CodecConfig
from weft_image.pixels import fit_square

_MODES = {1: "L", 3: "RGB"}


class ImageFSQ(LearnedCodec[Image, CodecConfig]):
    """A convolutional autoencoder with finite scalar quantization (arXiv:2309.15505).

    The tokens of an image are those of its rows, each the mark of that row and then its codes from left to right. The
    backbone knows only how far apart two tokens are; the marks tell it where in the picture it is.
    """

    name = "image-fsq"
    config_type = CodecConfig
    batch_size: ClassVar[int] = 32

    @classmethod
    def build_model(cls, config: CodecConfig) -> nn.Module:
        return Autoencoder(config)

    @property
    def vocab_size(self) -> int:
        """Codes first, then a mark for each row."""
        return self._network.quantizer.codes + self.config.grid

    def facts(self) -> weft.CodecFacts:
        codes, grid = self._network.quantizer.codes, self.config.grid
        pattern = [span for row in range(grid) for span in [(codes + row, codes + row + 1), *[(0, codes)] * grid]]
        return weft.CodecFacts(pattern=tuple(pattern), length=len(pattern), grid=(grid, grid))

    def encode(self, payloads: Sequence[Image]) -> list[weft.Tokens]:
        """Tokens of each image, int32 ``(grid * (grid + 1),)``; one of another size or color is brought to the codec's
        own first."""
        return [tokens for batch in self.batches(payloads) for tokens in self._encode_batch(batch)]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[Image]:
        """One image at a time, so that none depends on what it is decoded with."""
        return [self._decode_one(tokens) for tokens in ids]

    @torch.inference_mode()
    def _encode_batch(self, payloads: Sequence[Image]) -> list[weft.Tokens]:
        pictures = torch.stack([normalize(self._fitted(payload)) for payload in payloads])
        # Always the same shape: a kernel that is chosen by shape may round otherwise.
        padded = torch.zeros(self.batch_size, *pictures.shape[1:])
        padded[: len(pictures)] = pictures
        codes = self._network.encode(padded.to(self.device))[: len(pictures)].cpu()
        marks = torch.arange(self.config.grid)[:, None] + self._network.quantizer.codes
        rows = torch.cat([marks.expand(len(codes), -1, -1), codes], dim=2)
        return list(rows.flatten(1).numpy().astype(np.int32))

    @torch.inference_mode()
    def _decode_one(self, tokens: weft.Tokens) -> Image:
        grid = self.config.grid
        rows = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).view(1, grid, grid + 1)
        return to_image(self._network.decode(rows[:, :, 1:].to(self.device))[0].cpu())

    def _fitted(self, payload: Image) -> Tensor:
        return to_tensor(fit_square(payload, self.config.size, _MODES[self.config.channels]))

    @property
    def _network(self) -> Autoencoder:
        assert isinstance(self.model, Autoencoder)
        return self.model


def to_tensor(image: Image) -> Tensor:
    """Pixels as uint8 ``(C, H, W)``."""
    pixels: Tensor = transforms.pil_to_tensor(image)
    return pixels


def normalize(pixels: Tensor) -> Tensor:
    """uint8 ``(C, H, W)`` as float32 in [-1, 1]."""
    half = [0.5] * len(pixels)
    scaled: Tensor = transforms.normalize(transforms.to_dtype(pixels, torch.float32, scale=True), half, half)
    return scaled


def to_image(pixels: Tensor) -> Image:
    """What :func:`normalize` undid, rounded: float32 ``(C, H, W)`` as an image."""
    levels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    image: Image = transforms.to_pil_image(levels)
    return image
