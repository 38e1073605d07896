"""How sounds are stored and shown: FLAC in a corpus, WAV for people."""

from __future__ import annotations

import hashlib
import html
import io
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

import weft
from weft_audio.waveform import Waveform


class AudioFormat(weft.PayloadFormat[Waveform]):
    """One channel of 16 bits."""

    extension = ".wav"

    def to_bytes(self, payload: Waveform) -> bytes:
        """FLAC.

        Raises:
            ValueError: There are no samples, or 16 bits do not hold them exactly.
        """
        levels = payload.pcm()
        if not len(levels) or payload != Waveform.from_pcm(levels, payload.rate):
            raise ValueError("a cleaned waveform has samples, each of which 16 bits hold exactly")
        buffer = io.BytesIO()
        soundfile.write(buffer, levels, payload.rate, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()

    def from_bytes(self, data: bytes) -> Waveform:
        levels, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        return Waveform.from_pcm(levels, rate)

    def content_hash(self, payload: Waveform) -> str:
        """Of rate and samples: compressed bytes may differ between versions of the FLAC library."""
        head = f"{payload.rate}\n".encode("ascii")
        return hashlib.sha256(head + payload.pcm().astype("<i2").tobytes()).hexdigest()

    def save(self, payload: Waveform, path: Path) -> None:
        """A WAV file, which every player opens."""
        path.write_bytes(_wav(payload))

    def media(self, payload: Waveform) -> tuple[str, bytes]:
        return "audio/wav", _wav(payload)

    def html(self, payload: Waveform, path: Path, *, title: str) -> str:
        """A player, and the spectrogram above it."""
        # Imported here since only pages need it.
        from weft_audio.picture import spectrogram_picture

        path.parent.mkdir(parents=True, exist_ok=True)
        sound, picture = (path.with_name(path.name + suffix) for suffix in (self.extension, ".png"))
        self.save(payload, sound)
        image = spectrogram_picture(payload)
        image.save(picture, "PNG")
        name = html.escape(f"{path.parent.name}/{path.name}")
        label = html.escape(title)
        return (
            f'<div class="audio" style="display: inline-block; vertical-align: top">'
            f'<img src="{name}.png" alt="Spectrogram: {label}" width="{image.width}" height="{image.height}" '
            f'style="display: block">'
            f'<audio controls preload="none" src="{name}{self.extension}" aria-label="{label}" '
            f'style="display: block; width: {image.width}px"></audio></div>'
        )


def _wav(payload: Waveform) -> bytes:
    """One channel of 16 bits."""
    buffer = io.BytesIO()
    soundfile.write(buffer, payload.pcm(), payload.rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
