"""A published image codec: a ``VQModel`` in the layout of diffusers, from a local folder.

Models of this class are those of taming-transformers (arXiv:2012.09841), LlamaGen (arXiv:2406.06525) and the MoVQ of
Kandinsky (arXiv:2209.09002). Nothing is downloaded, and weights are read from safetensors alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

import weft
from weft.codecs.learned import LearnedCodec
from weft_image.codec import normalize, to_image, to_tensor
from weft_image.pixels import fit_square
from weft_image.rows import facts_of, with_marks, without_marks

_CONFIG, _WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
_MODES = {1: "L", 3: "RGB"}
_COLORS = {1: "gray", 3: "rgb"}
_DEFAULT_GRID = 16
"""Codes a side where neither size nor grid is given."""


@dataclass(frozen=True, slots=True)
class PublishedFacts:
    """What a folder says of its codec.

    Attributes:
        folder: Where it is.
        architecture: Arguments of ``VQModel``.
        codes: Codes in the codebook.
        patch: Pixels a side that a code stands for.
        channels: 1 for gray, 3 for RGB.
    """

    folder: Path
    architecture: dict[str, Any]
    codes: int
    patch: int
    channels: int

    @property
    def color(self) -> str:
        return _COLORS[self.channels]

    @property
    def size(self) -> int:
        """Pixels a side where nothing is given."""
        return self.patch * _DEFAULT_GRID


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """What the network is built from.

    Attributes:
        size: Pixels a side of the images that it is used on.
        architecture: Arguments of ``VQModel``.
    """

    size: int
    architecture: dict[str, Any]


def read_facts(folder: Path) -> PublishedFacts:
    """From ``config.json``.

    Raises:
        weft.OptionError: There is none, or it is not of a model that can serve as a codec.
    """
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        kind = config.get("_class_name")
        architecture = {name: value for name, value in config.items() if not name.startswith("_")}
        blocks, codes, channels = (
            architecture["block_out_channels"],
            int(architecture["num_vq_embeddings"]),
            int(architecture["in_channels"]),
        )
        patch = 2 ** (len(blocks) - 1)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise weft.OptionError(
            f"image.codec_folder: {folder} has no {_CONFIG} of a VQModel in the layout of diffusers ({error}); name "
            "the folder that holds it"
        ) from error
    if kind != "VQModel" or channels not in _MODES or not (folder / _WEIGHTS).is_file():
        raise weft.OptionError(
            f"image.codec_folder: {folder} has to hold a VQModel for 1 or 3 channels with its {_WEIGHTS}; it says "
            f"{kind or 'no class'}, {channels} channels"
        )
    return PublishedFacts(folder, architecture, codes, patch, channels)


class ImageVQ(LearnedCodec[Image, PublishedConfig]):
    """Codes of a published autoencoder, with a mark before each row as in the learned codec.

    The id of a code is its place in the model's own codebook; the ids of marks follow.
    """

    name = "image-vq"
    config_type = PublishedConfig
    batch_size: ClassVar[int] = 8

    @classmethod
    def from_folder(cls, folder: Path, size: int) -> Self:
        """The codec in a folder, for images of so many pixels a side.

        Raises:
            weft.OptionError: The folder holds no such model, or weights that do not fit it.
        """
        facts = read_facts(folder)
        config = PublishedConfig(size, facts.architecture)
        try:
            model = cls.build_model(config)
            model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            why = str(error).partition("\n")[0].rstrip(": ")
            raise weft.OptionError(f"image.codec_folder: {folder} cannot be loaded ({why})") from error
        return cls(config, model)

    @classmethod
    def build_model(cls, config: PublishedConfig) -> nn.Module:
        """Raises PluginError without diffusers."""
        try:
            from diffusers import VQModel
        except ImportError as error:
            raise weft.PluginError(
                "a published image codec needs diffusers, which is not installed; install weft-image[published]"
            ) from error
        model: Any = VQModel(**config.architecture)
        built: nn.Module = model
        return built

    @property
    def code_count(self) -> int:
        """Codes in the codebook."""
        return int(self.config.architecture["num_vq_embeddings"])

    @property
    def vocab_size(self) -> int:
        """Codes first, then a mark for each row."""
        return self.code_count + self._grid

    def facts(self) -> weft.CodecFacts:
        return facts_of(self.code_count, self._grid)

    def encode(self, payloads: Sequence[Image]) -> list[weft.Tokens]:
        """Tokens of each image, int32 ``(grid * (grid + 1),)``; one of another size or color is brought to the codec's
        own first."""
        return [tokens for batch in self.batches(payloads) for tokens in self._encode_batch(batch)]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[Image]:
        """One image at a time, so that none depends on what it is decoded with."""
        return [self._decode_one(tokens) for tokens in ids]

    @torch.inference_mode()
    def _encode_batch(self, payloads: Sequence[Image]) -> list[weft.Tokens]:
        mode = _MODES[int(self.config.architecture["in_channels"])]
        pictures = normalize(to_tensor([fit_square(p, self.config.size, mode) for p in payloads]))
        # Always the same shape: a kernel that is chosen by shape may round otherwise.
        padded = torch.zeros(self.batch_size, *pictures.shape[1:])
        padded[: len(pictures)] = pictures
        latents = self._network.encode(padded.to(self.device)).latents
        codes = self._network.quantize(latents)[2][2].view(self.batch_size, self._grid, self._grid)
        return with_marks(codes[: len(pictures)].cpu(), self.code_count)

    @torch.inference_mode()
    def _decode_one(self, tokens: weft.Tokens) -> Image:
        codes: Tensor = without_marks(tokens, self._grid).to(self.device)
        latents = self._network.quantize.embedding(codes).movedim(-1, 1)
        # The second input is what decoders with spatial normalization look at.
        pixels = self._network.decoder(self._network.post_quant_conv(latents), latents if self._spatial else None)
        return to_image(pixels[0].cpu())

    @property
    def _spatial(self) -> bool:
        return self.config.architecture.get("norm_type") == "spatial"

    @property
    def _grid(self) -> int:
        return self.config.size >> (len(self.config.architecture["block_out_channels"]) - 1)

    @property
    def _network(self) -> Any:
        return self.model
