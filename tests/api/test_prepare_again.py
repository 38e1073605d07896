"""A preparation that is killed anywhere and asked for again gives the corpus of one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import weft

MORTAL = """
import os, signal, sys

from weft.cli.main import main
from weft.preparation import blocks, encode, pipeline
from weft.storage import atomic

moment, *arguments = sys.argv[1:]

def dying(function, due=lambda *_, **__: True, after=False):
    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs) if after else None
        if due(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)
        return result if after else function(*args, **kwargs)
    return wrapped

if moment == "between-blocks":
    def examine(engine, *given, original=pipeline.LocalEngine.examine):
        for done, outcome in enumerate(original(engine, *given)):
            if done == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield outcome
    pipeline.LocalEngine.examine = examine
elif moment == "within-a-block":
    # Blocks are written by worker processes: one of them kills its parent, and dies with it.
    def write_rows(path, *rest, original=blocks.write_rows):
        original(path, *rest)
        if path.parent.name.startswith("00002."):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
    blocks.write_rows = write_rows
elif moment == "before-comparing":
    pipeline.decide = dying(pipeline.decide)
elif moment == "while-encoding":
    encode.encode_batch = dying(encode.encode_batch)
elif moment == "before-naming":
    atomic._take_place = dying(atomic._take_place)
else:
    raise SystemExit(f"no such moment: {moment}")
sys.argv = ["weft", *arguments]
main()
"""
"""The command line, in a process that is killed at a moment: no handler runs, nothing is flushed."""

MOMENTS = ("between-blocks", "within-a-block", "before-comparing", "while-encoding", "before-naming")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(200):
        image = Image.new("RGB", (20, 20), (number, 255 - number, number * 7 % 256))
        image.paste((number * 5 % 256, 40, 200), (number % 10, number % 7, 12 + number % 5, 15))
        (folder / f"{number % 3}").mkdir(exist_ok=True)
        image.save(folder / f"{number % 3}" / f"{number:03d}.png")
    (folder / "0" / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> weft.Corpus:
    out = tmp_path_factory.mktemp("corpora") / "corpus"
    return weft.prepare(pictures, out=out, options={"image.codec_steps": 3}, processes=1)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_asked_for_again(moment: str, pictures: Path, undisturbed: weft.Corpus, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    arguments = ["prepare", str(pictures), "--out", str(out), "--set", "image.codec_steps=3", "--processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MORTAL, moment, *arguments]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    again = [sys.executable, "-m", "weft", *arguments]
    done = subprocess.run(again, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on with what was done before" in done.stderr
    corpus = weft.load(out)
    assert isinstance(corpus, weft.Corpus)
    assert corpus.sha256 == undisturbed.sha256
    assert corpus.folder.manifest["files"] == undisturbed.folder.manifest["files"]
    assert list(tmp_path.iterdir()) == [out]
