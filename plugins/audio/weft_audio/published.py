"""Codecs that others have trained and published: EnCodec, DAC and Mimi, from a folder on disk.

Needs ``weft-audio[published]``. Nothing is downloaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import weft
from weft.codecs.learned import LearnedCodec
from weft_audio.cleaning import pad, resample
from weft_audio.network import in_bands
from weft_audio.spectrum import Spectrum
from weft_audio.waveform import Waveform

KINDS = {"encodec": "Encodec", "dac": "Dac", "mimi": "Mimi"}
"""``model_type`` of ``config.json`` to the beginning of the names of the classes in ``transformers``."""

_BANDS = 64


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """What the network is built from.

    Attributes:
        kind: A key of :data:`KINDS`.
        books: Codebooks in use, the first ones of a residual quantizer.
        step: Samples a frame.
        architecture: The whole ``config.json`` of the model.
    """

    kind: str
    books: int
    step: int
    architecture: dict[str, Any]

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.architecture["sampling_rate"])

    @property
    def codes(self) -> int:
        """Ids of one codebook."""
        return int(self.architecture["codebook_size"])


def read_config(folder: Path, tokens: int) -> PublishedConfig:
    """The configuration of a model, with as many codebooks as come nearest to ``tokens`` a second.

    Raises:
        weft.OptionError: The folder holds no model that can be used, or ``transformers`` is not installed.
    """
    where = f"audio.codec_folder: {folder}"
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = found["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise weft.OptionError(f"{where} holds no config.json with a model_type; name a folder of a model") from error
    if kind not in KINDS:
        raise weft.OptionError(f"{where} holds a model of type {kind!r}; those that can be used are {', '.join(KINDS)}")
    config = _transformers(kind, "Config").from_dict(found)
    architecture = config.to_dict()
    if kind == "encodec" and (architecture["audio_channels"] != 1 or architecture.get("chunk_length_s")):
        raise weft.OptionError(
            f"{where} holds a model of several channels, or one that works in chunks; use one for mono"
        )
    whole = PublishedConfig(kind, 1, int(config.frame_size if kind == "mimi" else config.hop_length), architecture)
    books = max(1, min(_most_books(whole), round(tokens * whole.step / whole.rate)))
    return replace(whole, books=books)


def _most_books(config: PublishedConfig) -> int:
    if config.kind == "mimi":
        return int(config.architecture["num_quantizers"])
    if config.kind == "dac":
        return int(config.architecture["n_codebooks"])
    bits = math.log2(config.codes) * math.ceil(config.rate / config.step)
    return int(1000 * config.architecture["target_bandwidths"][-1] // bits)


def _transformers(kind: str, suffix: str) -> Any:
    """A class of ``transformers``, which is imported only here."""
    try:
        import transformers
    except ImportError as error:
        raise weft.OptionError(
            "audio.codec_folder needs transformers, which is not installed; run: pip install weft-audio[published]"
        ) from error
    return getattr(transformers, KINDS[kind] + suffix)


class PublishedCodec(LearnedCodec[Waveform, PublishedConfig]):
    """EnCodec (arXiv:2210.13438), DAC (arXiv:2306.06546) or Mimi (arXiv:2410.00037) with weights from elsewhere.

    The codes of a frame follow one another, each codebook in a range of ids of its own. Payloads pass through the
    network one at a time, so that neither their lengths nor their neighbors make a difference.
    """

    name = "audio-published"
    config_type = PublishedConfig

    @classmethod
    def build_model(cls, config: PublishedConfig) -> nn.Module:
        architecture = _transformers(config.kind, "Config").from_dict(config.architecture)
        model: nn.Module = _transformers(config.kind, "Model")(architecture)
        return model

    @classmethod
    def from_folder(cls, folder: Path, tokens: int) -> PublishedCodec:
        """As ``transformers`` saves it: ``config.json`` and ``model.safetensors``.

        Raises:
            weft.OptionError: The folder holds no model that can be used.
        """
        config = read_config(folder, tokens)
        try:
            model = _transformers(config.kind, "Model").from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            why = str(error).partition("\n")[0]
            raise weft.OptionError(
                f"audio.codec_folder: the weights in {folder} cannot be read ({why}); it needs a model.safetensors"
            ) from error
        return cls(config, model.float())

    @property
    def vocab_size(self) -> int:
        return self.config.books * self.config.codes

    def facts(self) -> weft.CodecFacts:
        books, codes = self.config.books, self.config.codes
        return weft.CodecFacts(
            pattern=tuple((book * codes, (book + 1) * codes) for book in range(books)),
            unit=books,
            tokens_per_second=books * self.config.rate / self.config.step,
        )

    def encode(self, payloads: Sequence[Waveform]) -> list[weft.Tokens]:
        """Tokens of each sound, int32 ``(frames * books,)``; one of another rate is brought to the model's first."""
        return [self._encode_one(payload) for payload in payloads]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[Waveform]:
        """Sounds of 16 bits, as long as their tokens say."""
        return [self._decode_one(tokens) for tokens in ids]

    @torch.inference_mode()
    def mel(self, payload: Waveform) -> Tensor:
        """Log-magnitudes of a sound in mel bands, ``(frames, bands)``, silence being added as for encoding."""
        sound = resample(payload, self.config.rate)
        spectrum = Spectrum.for_rate(sound.rate)
        whole = self._frames(sound) * self.config.step
        filled = pad(sound, -(-whole // spectrum.hop) * spectrum.hop)
        return in_bands(spectrum.analyze(torch.from_numpy(filled.samples)), spectrum.mel_filters(_BANDS))

    @torch.inference_mode()
    def _encode_one(self, payload: Waveform) -> weft.Tokens:
        sound = resample(payload, self.config.rate)
        frames = self._frames(sound)
        samples = torch.from_numpy(pad(sound, frames * self.config.step).samples)[None, None].to(self.device)
        found = self.model.encode(samples, **self._most_bandwidth).audio_codes  # type: ignore[operator]
        # EnCodec puts its chunks first, of which there is one.
        codes = found.reshape(-1, found.shape[-1])[: self.config.books, :frames].cpu()
        shifted = codes.T + torch.arange(self.config.books) * self.config.codes
        ids: weft.Tokens = shifted.flatten().numpy().astype(np.int32)
        return ids

    @torch.inference_mode()
    def _decode_one(self, tokens: weft.Tokens) -> Waveform:
        rows = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).view(-1, self.config.books)
        if not len(rows):
            return Waveform(np.empty(0, np.float32), self.config.rate)
        codes = (rows % self.config.codes).T[None].to(self.device)
        if self.config.kind == "encodec":
            audio = self.model.decode(codes[None], [None]).audio_values  # type: ignore[operator]
        else:
            audio = self.model.decode(audio_codes=codes).audio_values  # type: ignore[operator]
        samples = audio.flatten().float().cpu().numpy()
        return pad(Waveform(samples, self.config.rate), len(rows) * self.config.step).quantized()

    def _frames(self, sound: Waveform) -> int:
        return max(1, -(-len(sound.samples) // self.config.step))

    @property
    def _most_bandwidth(self) -> dict[str, float]:
        if self.config.kind != "encodec":
            return {}
        return {"bandwidth": self.config.architecture["target_bandwidths"][-1]}
