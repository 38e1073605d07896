"""Events as TensorBoard's own reader finds them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from weft.errors import OptionError
from weft.interfaces.generator import Artifact, Drawn, SamplingOptions
from weft.interfaces.payload import PayloadFormat
from weft.plugins.registry import get_registry
from weft.training import tensorboard
from weft.training.tensorboard import FOLDER, TensorBoardEvents

AT_END: Any = None
"""A training, at which nothing looks."""


def events(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / FOLDER), size_guidance={"scalars": 0, "images": 0, "audio": 0, "tensors": 0})
    found.Reload()
    return found


def artifact(modality: str, payload: Any, prompt: str | None = None) -> Artifact[Any]:
    payload_format = get_registry().payload_format(modality)
    return Artifact(payload, modality, prompt, Drawn([1], [-0.1], 7, True), SamplingOptions(seed=7), payload_format)


def test_rows_become_scalars_in_groups(tmp_path: Path) -> None:
    log = TensorBoardEvents(tmp_path, 0)
    log.write({"step": 10, "loss": 2.5, "seconds": 3.0, "tokens_per_second": 1000.0})
    log.write({"step": 20, "validation/loss": 2.25, "validation/text/bits_per_byte": 1.5})
    found = events(tmp_path)  # before anything is closed: what is logged is there
    assert sorted(found.Tags()["scalars"]) == [
        "held-out/loss", "held-out/text/bits_per_byte", "training/loss", "training/tokens_per_second",
    ]  # fmt: skip
    assert [(each.step, each.value) for each in found.Scalars("training/loss")] == [(10, 2.5)]
    assert [(each.step, each.value) for each in found.Scalars("held-out/text/bits_per_byte")] == [(20, 1.5)]
    log.end(AT_END)


def test_a_resumed_run_shows_each_step_once(tmp_path: Path) -> None:
    first = TensorBoardEvents(tmp_path, 0)
    for step in (10, 20, 30):
        first.write({"step": step, "loss": float(step)})
    second = TensorBoardEvents(tmp_path, 20)  # killed after step 30, and back at the checkpoint of step 20
    for step in (30, 40):
        second.write({"step": step, "loss": float(step)})
    second.end(AT_END)
    first.end(AT_END)
    assert [each.step for each in events(tmp_path).Scalars("training/loss")] == [10, 20, 30, 40]


def test_previews_are_shown_as_what_they_are(tmp_path: Path) -> None:
    from weft_audio.waveform import Waveform

    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    sound = Waveform.from_pcm(np.arange(-400, 400, dtype=np.int16), 8000)
    log = TensorBoardEvents(tmp_path, 0)
    shown = [artifact("text", "To be\n*or* not", "To"), artifact("image", picture), artifact("audio", sound)]
    log.show(5, shown)
    log.end(AT_END)
    found = events(tmp_path)
    (image,) = found.Images("previews/image-2")
    assert (image.step, image.width, image.height) == (5, 8, 6)
    assert list(Image.open(io.BytesIO(image.encoded_image_string)).tobytes()) == list(range(48))
    (audio,) = found.Audio("previews/audio-3")
    assert (audio.content_type, audio.sample_rate, audio.length_frames) == ("audio/wav", 8000, 800)
    (text,) = found.Tensors("previews/text-1/text_summary")
    assert text.tensor_proto.string_val[0].decode() == "    > To\n\n    To be\n    *or* not"


def test_a_modality_that_shows_itself_on_pages_alone_is_left_out(tmp_path: Path) -> None:
    class Smell(PayloadFormat[str]):
        extension = ".smell"

        def to_bytes(self, payload: str) -> bytes:
            return payload.encode()

        def from_bytes(self, data: bytes) -> str:
            return data.decode()

        def html(self, payload: str, path: Path, *, title: str) -> str:
            return payload

    log = TensorBoardEvents(tmp_path, 0)
    log.show(1, [Artifact("rose", "smell", None, Drawn([], [], 0, True), SamplingOptions(), Smell())])
    log.end(AT_END)
    tags = events(tmp_path).Tags()
    assert not tags["images"]
    assert not tags["audio"]
    assert not tags["tensors"]


def test_without_the_library_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'weft-core\[tensorboard\]'"):
        TensorBoardEvents(tmp_path, 0)
    assert not (tmp_path / FOLDER).exists()
