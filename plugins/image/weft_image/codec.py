"""Images to tokens and back: a learned grid of codes, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

import weft
from weft.codecs.learned import LearnedCodec
from weft_image.network import Autoencoder, CodecConfig
from weft_image.pixels import fit_square
from weft_image.rows import facts_of, with_marks, without_marks

_MODES = {1: "L", 3: "RGB"}


class ImageFSQ(LearnedCodec[Image.Image, CodecConfig]):
    """A convolutional autoencoder with finite scalar quantization (arXiv:2309.15505).

    Its tokens are those of :mod:`weft_image.rows`.
    """

    name = "image-fsq"
    config_type = CodecConfig
    batch_size: ClassVar[int] = 32

    def __init__(self, config: CodecConfig, model: nn.Module | None = None) -> None:
        super().__init__(config, model)
        # The layout that CPUs convolve fastest in.
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves it untyped

    @classmethod
    def build_model(cls, config: CodecConfig) -> nn.Module:
        return Autoencoder(config)

    @property
    def code_count(self) -> int:
        """Codes in the codebook."""
        return self._network.quantizer.codes

    @property
    def vocab_size(self) -> int:
        """Codes first, then a mark for each row."""
        return self.code_count + self.config.grid

    def facts(self) -> weft.CodecFacts:
        return facts_of(self.code_count, self.config.grid)

    def encode(self, payloads: Sequence[Image.Image]) -> list[weft.Tokens]:
        """Tokens of each image, int32 ``(grid * (grid + 1),)``; one of another size or color is brought to the codec's
        own first."""
        return [tokens for batch in self.batches(payloads) for tokens in self._encode_batch(batch)]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[Image.Image]:
        """One image at a time, so that none depends on what it is decoded with."""
        return [self._decode_one(tokens) for tokens in ids]

    @torch.inference_mode()
    def _encode_batch(self, payloads: Sequence[Image.Image]) -> list[weft.Tokens]:
        mode = _MODES[self.config.channels]
        pictures = normalize(to_tensor([fit_square(payload, self.config.size, mode) for payload in payloads]))
        # Always the same shape: a kernel that is chosen by shape may round otherwise.
        padded = torch.zeros(self.batch_size, *pictures.shape[1:])
        padded[: len(pictures)] = pictures
        codes = self._network.encode(padded.to(self.device))[: len(pictures)].cpu()
        return with_marks(codes, self.code_count)

    @torch.inference_mode()
    def _decode_one(self, tokens: weft.Tokens) -> Image.Image:
        codes = without_marks(tokens, self.config.grid)
        return to_image(self._network.decode(codes.to(self.device))[0].cpu())

    @property
    def _network(self) -> Autoencoder:
        assert isinstance(self.model, Autoencoder)
        return self.model


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """Pixels of images of one size and mode, uint8 ``(B, C, H, W)``."""
    data = bytearray().join(image.tobytes() for image in images)
    pixels = torch.frombuffer(data, dtype=torch.uint8)
    return pixels.view(len(images), images[0].height, images[0].width, -1).movedim(-1, 1)


def normalize(pixels: Tensor) -> Tensor:
    """uint8 of any shape as float32 in [-1, 1]."""
    return pixels.to(torch.float32).div_(127.5).sub_(1)


def to_image(pixels: Tensor) -> Image.Image:
    """What :func:`normalize` undid, rounded: float32 ``(C, H, W)`` as an image."""
    levels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    _, height, width = levels.shape
    return Image.frombytes(_MODES[len(levels)], (width, height), levels.movedim(0, -1).numpy().tobytes())
