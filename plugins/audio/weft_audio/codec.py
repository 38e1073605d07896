"""Sound to tokens and back: a few learned codes for every step of about 16 ms."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

import weft
from weft.codecs.learned import LearnedCodec
from weft_audio.cleaning import pad, resample
from weft_audio.network import Autoencoder, CodecConfig, in_bands
from weft_audio.waveform import Waveform


class AudioFSQ(LearnedCodec[Waveform, CodecConfig]):
    """An autoencoder of log-mel frames with finite scalar quantization (arXiv:2309.15505), and Griffin-Lim phases.

    The codes of a step follow one another, each in a range of ids of its own. Payloads pass through the network one at
    a time, so that neither their lengths nor their neighbors make a difference to the last bit.
    """

    name = "audio-fsq"
    config_type = CodecConfig

    @classmethod
    def build_model(cls, config: CodecConfig) -> nn.Module:
        return Autoencoder(config)

    @property
    def vocab_size(self) -> int:
        return self.config.books * self._network.quantizer.codes

    def facts(self) -> weft.CodecFacts:
        config, codes = self.config, self._network.quantizer.codes
        return weft.CodecFacts(
            pattern=tuple((book * codes, (book + 1) * codes) for book in range(config.books)),
            unit=config.books,
            length=None if config.steps is None else config.steps * config.books,
            tokens_per_second=config.books * config.rate / config.step,
        )

    def encode(self, payloads: Sequence[Waveform]) -> list[weft.Tokens]:
        """Tokens of each sound, int32 ``(steps * books,)``; one of another rate is brought to the codec's own first.

        Raises:
            weft.OptionError: The codec is for clips of one length, and a sound is longer.
        """
        return [self._encode_one(payload) for payload in payloads]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[Waveform]:
        """Sounds of 16 bits, as long as their tokens say."""
        return [self._decode_one(tokens) for tokens in ids]

    @torch.inference_mode()
    def spectra(self, payload: Waveform) -> Tensor:
        """Log-magnitudes of a sound, ``(T, F)``, silence being added up to a whole number of steps."""
        sound = resample(payload, self.config.rate)
        steps = self.config.steps or max(1, ceil(len(sound.samples) / self.config.step))
        if len(sound.samples) > steps * self.config.step:
            raise weft.OptionError(
                f"a clip of {sound.seconds:.2f} s does not fit a codec for clips of exactly "
                f"{steps * self.config.step / self.config.rate:.2f} s; prepare it with audio.seconds of that length"
            )
        return self.config.spectrum.analyze(torch.from_numpy(pad(sound, steps * self.config.step).samples))

    @torch.inference_mode()
    def mel(self, payload: Waveform) -> Tensor:
        """Log-magnitudes of a sound in mel bands, ``(T, M)``."""
        return in_bands(self.spectra(payload), self._network.filters.cpu())

    @torch.inference_mode()
    def _encode_one(self, payload: Waveform) -> weft.Tokens:
        codes = self._network.encode(self.spectra(payload)[None].to(self.device))[0].cpu()
        shifted = codes + torch.arange(self.config.books) * self._network.quantizer.codes
        return shifted.flatten().numpy().astype(np.int32)

    @torch.inference_mode()
    def _decode_one(self, tokens: weft.Tokens) -> Waveform:
        codes = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).view(1, -1, self.config.books)
        if not codes.shape[1]:
            return Waveform(np.empty(0, np.float32), self.config.rate)
        logs = self._network.decode((codes % self._network.quantizer.codes).to(self.device))[0]
        return Waveform(self.config.spectrum.synthesize(logs).numpy(), self.config.rate).quantized()

    @property
    def _network(self) -> Autoencoder:
        assert isinstance(self.model, Autoencoder)
        return self.model
