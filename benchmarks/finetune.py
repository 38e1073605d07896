"""Fine-tuning against starting anew: the Shakespeare run on a book for one minute, and the same minute from scratch.

All weights, and adapters that train at most a twentieth of them, must reach fewer bits per byte on the last tenth of
the book. The run from scratch has a codec fitted to the book, fine-tuned ones have that of Shakespeare: bits per byte
compare across codecs. The merged run must continue a prompt as the one with adapters does.

    python benchmarks/finetune.py [--run RUN] [--book FILE] [--minutes M] [--rank R] [--threads N]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from stopwatch import Stopwatch

import weft

DATA = Path(__file__).parents[2] / "shared" / "data" / "text"
SHAKESPEARE_MINUTES = 3.0
MOST_TRAINED = 0.05
PROMPT = "It was a "


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="Trained on Shakespeare; trained here without it.")
    parser.add_argument("--book", type=Path, default=DATA / "books" / "pride_and_prejudice.txt")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        return _compare(Path(folder), arguments, watch)


def _compare(folder: Path, arguments: argparse.Namespace, watch: Stopwatch) -> int:
    before = arguments.run or _shakespeare(folder, arguments.threads, watch)
    (folder / "book").mkdir()
    shutil.copy(arguments.book, folder / "book")
    corpus = weft.prepare(folder / "book", out=folder / "corpus")
    ways = {
        "from scratch": {},
        "all weights": {"init_from": before},
        f"adapters of rank {arguments.rank}": {"init_from": before, "lora": arguments.rank},
    }
    runs = {}
    for number, (name, options) in enumerate(ways.items()):
        with watch(name):
            runs[name] = weft.train(
                corpus,
                out=folder / f"run-{number}",
                minutes=arguments.minutes,
                threads=arguments.threads,
                seed=1,
                **options,
            )
    watch.report()
    scratch, *_ = reached = [_report(name, run) for name, run in runs.items()]
    checks = {
        f"{name}: fewer bits per byte than from scratch": bits < scratch
        for name, bits in zip(list(ways)[1:], reached[1:], strict=True)
    }
    adapted = list(runs.values())[-1]
    merged = weft.merge(adapted, out=folder / "merged")
    texts = {run.generate(PROMPT, temperature=0, max_tokens=80, seed=0)[0].payload for run in (adapted, merged)}
    checks[f"adapters train at most {MOST_TRAINED:.0%} of the parameters"] = _share(adapted) <= MOST_TRAINED
    checks["the merged run continues a prompt alike"] = len(texts) == 1
    for what, kept in checks.items():
        print(f"{what}: {'kept' if kept else 'MISSED'}")
    return int(not all(checks.values()))


def _shakespeare(folder: Path, threads: int | None, watch: Stopwatch) -> Path:
    """As benchmarks/text.py trains it."""
    with watch("Shakespeare"):
        corpus = weft.prepare(DATA / "tinyshakespeare", out=folder / "shakespeare")
        run = weft.train(corpus, out=folder / "before", minutes=SHAKESPEARE_MINUTES, threads=threads, seed=1)
    return run.path


def _report(name: str, run: weft.Run) -> float:
    summary = run.summary()
    settings, bits = summary["settings"], float(summary["validation"]["text"]["bits_per_byte"])
    print(
        f"{name:<22} {bits:.3f} bits per byte, {summary['parameters_trained']:,} of {summary['parameters']:,} "
        f"parameters trained ({_share(run):.1%}), {settings['steps']:,} steps of {settings['batch_size']} rows, "
        f"learning rate {settings['learning_rate']:g}, {settings['threads']} threads"
    )
    return bits


def _share(run: weft.Run) -> float:
    summary = run.summary()
    return float(summary["parameters_trained"] / summary["parameters"])


if __name__ == "__main__":
    sys.exit(main())
