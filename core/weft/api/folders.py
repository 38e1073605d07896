"""What is done with folders that are there already: open, merge, plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weft.api.corpus import Corpus, PathLike
from weft.api.run import Run
from weft.errors import FolderError
from weft.interfaces.progress import Reporter, Silent
from weft.pages.curves import Axis
from weft.pages.plot import draw_losses
from weft.storage.checkpoints import parse_which
from weft.storage.corpus import CorpusFolder
from weft.storage.run import RunFolder
from weft.training.merging import merge_run


def load(path: PathLike) -> Corpus | Run:
    """Open a corpus or a run folder.

    Raises:
        FolderError: It is neither, or it is damaged or of a newer version.
    """
    folder = Path(path)
    if (folder / "run.json").exists():
        return Run(RunFolder.open(folder))
    if (folder / "corpus.json").exists():
        return Corpus(CorpusFolder.open(folder))
    if not folder.exists():
        raise FolderError(f"{folder} does not exist; give a folder made by `weft prepare` or `weft train`")
    raise FolderError(f"{folder} is neither a corpus nor a run: it has no corpus.json and no run.json")


def merge(
    run: Run | PathLike,
    *,
    out: PathLike,
    checkpoint: str | int = "best",
    force: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Fold the adapters of a run into plain weights: a run like any other, that gives what the one with adapters gives.

    It can be sampled and started from; training goes on with the run that has the adapters.

    Args:
        run: A run that was trained with ``lora``.
        out: The run folder to make.
        checkpoint: ``best`` on held-out data, ``last``, or the step of one that was kept.
        force: Replace a Weft folder that is in the way.
        reporter: Told of a damaged checkpoint, and of the one that is used instead.

    Raises:
        OptionError: The run has no adapters.
        FolderError: It is no run, it is damaged, or ``out`` is in the way.
    """
    folder = run.folder if isinstance(run, Run) else RunFolder.open(Path(run))
    warn = (reporter or Silent()).warn
    return Run(merge_run(folder, Path(out), which=parse_which(checkpoint), force=force, warn=warn))


def plot(
    runs: Sequence[Run | PathLike],
    *,
    out: PathLike,
    axis: Axis = "steps",
    log_x: bool = False,
    log_y: bool = False,
    force: bool = False,
) -> Path:
    """Draw the losses of some runs into one picture: training as a line, smoothed, held-out as points. What cannot be
    compared, such as nats per token of different codecs, gets a panel of its own.

    Args:
        runs: At least one.
        out: A file ``.png``, ``.pdf`` or ``.svg``.
        axis: What stands on the x axis: ``steps``, ``tokens`` or ``minutes``.
        log_x: Logarithmic x axis.
        log_y: Logarithmic y axis.
        force: Replace a file that is in the way.

    Returns:
        The file.

    Raises:
        FolderError: One of them is no run, has logged nothing, or its log is damaged.
        OptionError: The file is of another kind, is there already or its folder is missing, or a run did not log what
            the axis needs.
    """
    folders = [each.folder if isinstance(each, Run) else RunFolder.open(Path(each)) for each in runs]
    draw_losses(folders, Path(out), axis=axis, log_x=log_x, log_y=log_y, force=force)
    return Path(out)
