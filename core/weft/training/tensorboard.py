"""The figures and previews of a run as events for TensorBoard, in the run's folder ``tensorboard``."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import OptionError
from weft.interfaces.callback import Callback, Training
from weft.interfaces.generator import Artifact

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"

_NO_FIGURES = frozenset({"step", "seconds"})
_HELD_OUT = "validation/"


def require_tensorboard() -> None:
    """Raise :class:`weft.OptionError` where the library is not installed."""
    if find_spec("tensorboard") is None:
        raise OptionError(
            "--tensorboard needs TensorBoard: pip install 'weft-core[tensorboard]', or leave the option out"
        )


class TensorBoardEvents(Callback):
    """Writes what is logged of a run as events.

    Args:
        run: Folder of the run.
        step: Steps done; later ones, of a run that went back to a checkpoint, are taken back.

    Raises:
        OptionError: The library is not installed.
    """

    def __init__(self, run: Path, step: int) -> None:
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        purge = step + 1 if (run / FOLDER).exists() else None
        self._writer: SummaryWriter = SummaryWriter(str(run / FOLDER), purge_step=purge)

    def write(self, row: Mapping[str, float]) -> None:
        """A row of ``metrics.jsonl``; it is on disk when this returns."""
        for name, value in row.items():
            if name not in _NO_FIGURES:
                self._writer.add_scalar(_tag(name), value, int(row["step"]))
        self._writer.flush()

    def show(self, step: int, artifacts: Sequence[Artifact[Any]]) -> None:
        """Previews, as far as their modality can be shown: images, sounds, texts."""
        for number, artifact in enumerate(artifacts, 1):
            media = artifact.format.media(artifact.payload)
            if media is not None:
                self._show(f"previews/{artifact.modality}-{number}", step, artifact, *media)
        self._writer.flush()

    def end(self, training: Training) -> None:
        self._writer.close()

    def _show(self, tag: str, step: int, artifact: Artifact[Any], kind: str, data: bytes) -> None:
        if kind == "text/plain":
            text = _as_markdown(artifact.prompt, data.decode("utf-8"))
            self._writer.add_text(tag, text, step)
        elif kind in ("image/png", "audio/wav"):
            from tensorboard.compat.proto.summary_pb2 import Summary

            media = {"image": _image(data)} if kind == "image/png" else {"audio": _audio(data)}
            summary = Summary(value=[Summary.Value(tag=tag, **media)])
            assert self._writer.file_writer is not None
            self._writer.file_writer.add_summary(summary, step)


def _tag(name: str) -> str:
    """A name in the log as TensorBoard groups it: by what comes before the first slash."""
    if name.startswith(_HELD_OUT):
        return name.replace(_HELD_OUT, "held-out/", 1)
    return f"training/{name}"


def _as_markdown(prompt: str | None, text: str) -> str:
    """Text as it is, in a block of code: TensorBoard would take its signs for markup."""
    quoted = "\n".join(f"    {line}" for line in text.splitlines())
    return quoted if prompt is None else "\n".join(f"    > {line}" for line in prompt.splitlines()) + f"\n\n{quoted}"


def _image(png: bytes) -> Any:
    """An image with its size, which the header of a PNG begins with."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    return Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)


def _audio(wav: bytes) -> Any:
    """A sound with its length."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    with wave.open(io.BytesIO(wav)) as file:
        return Summary.Audio(
            sample_rate=file.getframerate(),
            num_channels=file.getnchannels(),
            length_frames=file.getnframes(),
            content_type="audio/wav",
            encoded_audio_string=wav,
        )
