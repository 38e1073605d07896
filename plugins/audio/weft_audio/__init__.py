"""The audio modality of Weft: recordings in every format that libsndfile decodes.

This entry module is light: it only names what is imported on use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import weft

if TYPE_CHECKING:
    from weft_audio.waveform import Waveform as Waveform

_EXTENSIONS = frozenset(
    (
        *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga"),
        *(".ogg", ".opus", ".rf64", ".snd", ".voc", ".w64", ".wav", ".wave"),
    )
)


@weft.hookimpl
def register_modalities(register: Callable[[weft.Modality], None]) -> None:
    register(
        weft.Modality(
            name="audio",
            extensions=_EXTENSIONS,
            summary="speech, notes and sounds, with captions or transcripts or without",
            preparer="weft_audio.preparer:AudioPreparer",
            payload="weft_audio.payload:AudioFormat",
            codecs={
                "audio-fsq": "weft_audio.codec:AudioFSQ",
                "audio-published": "weft_audio.published:PublishedCodec",
            },
            generator="weft_audio.generator:AudioGenerator",
            options="weft_audio.options:AudioOptions",
            demo="weft_audio.demo:AudioDemo",
        )
    )


def __getattr__(name: str) -> Any:
    if name != "Waveform":
        raise AttributeError(f"module 'weft_audio' has no attribute {name!r}")
    return importlib.import_module("weft_audio.waveform").Waveform
