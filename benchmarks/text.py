"""Loss for cost on tiny Shakespeare: bits per byte of the last tenth after three minutes of training.

Limit: 2.2 bits per byte. nanoGPT's CPU configuration reaches about 2.54 for 277 CPU-seconds on the same split.

    python benchmarks/text.py [FOLDER] [--minutes M] [--threads N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from stopwatch import Stopwatch

import weft

DATA = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare"
LIMIT = 2.2
PROMPT = "ROMEO:\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        with watch("prepare"):
            corpus = weft.prepare(arguments.folder, out=Path(folder) / "corpus")
        with watch("train"):
            run = weft.train(
                corpus, out=Path(folder) / "run", minutes=arguments.minutes, threads=arguments.threads, seed=1
            )
        with watch("generate"):
            texts = [run.generate(PROMPT, creativity=each, seed=1)[0] for each in ("precise", "balanced", "creative")]
        summary = run.summary()
    for text in texts:
        print(f"--- temperature {text.settings.temperature}\n{text.payload}\n")
    watch.report()
    settings, figures = summary["settings"], summary["validation"]["text"]
    print(
        f"{summary['parameters']:,} parameters, {settings['steps']:,} steps of {settings['batch_size']} rows, "
        f"{settings['threads']} threads"
    )
    reached = figures["bits_per_byte"]
    print(f"bits per byte {reached:.3f}  limit {LIMIT}: {'kept' if reached <= LIMIT else 'MISSED'}")
    return int(reached > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
