"""What the loop costs beside forward, backward and optimizer, at nano size on tiny Shakespeare.

    python benchmarks/loop_overhead.py [--steps N] [--threads N]

Limit: 2 % of the training's time. Drawing and collating, seeds, figures, the log and the progress display count as the
loop's; gradient clipping counts as the optimizer's, as in any loop. Evaluation, checkpoints and previews are work that
was asked for: they are shown apart, with the checkpoints' own limit of 5 % at the default interval in
benchmarks/checkpoints.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import weft
from weft.training.feeding import Feeder
from weft.training.keeping import KeepCheckpoints
from weft.training.loop import Loop
from weft.training.previews import MakePreviews

DATA = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare"
LIMIT = 0.02
PARTS: dict[str, list[tuple[Any, str]]] = {
    "forward and backward": [(Loop, "_backward_of")],
    "optimizer": [(Loop, "_normalize_gradients"), (Loop, "_move")],
    "evaluation": [(Loop, "evaluate")],
    "checkpoints": [(KeepCheckpoints, "_save")],
    "previews": [(MakePreviews, "after_evaluation")],
    "of the loop: drawing and collating": [(Feeder, "step")],
    "in all": [(Loop, "run")],
}


def timed(kind: Any, name: str, seconds: dict[str, float], part: str) -> None:
    """Add the time of a method to a part."""
    method: Callable[..., Any] = getattr(kind, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            seconds[part] += time.perf_counter() - began

    setattr(kind, name, wrapped)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    seconds: dict[str, float] = defaultdict(float)
    for part, methods in PARTS.items():
        for kind, name in methods:
            timed(kind, name, seconds, part)
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        corpus = weft.prepare(DATA, out=Path(folder) / "corpus")
        options: weft.TrainOptions = {"steps": arguments.steps, "seed": 1}
        if arguments.threads:
            options["threads"] = arguments.threads
        weft.train(corpus, out=Path(folder) / "run", **options)
    steps = seconds["in all"] - sum(seconds[part] for part in ("evaluation", "checkpoints", "previews"))
    overhead = steps - seconds["forward and backward"] - seconds["optimizer"]
    for part, taken in seconds.items():
        print(f"{part:36} {taken:8.2f} s  {1000 * taken / arguments.steps:7.2f} ms a step")
    share = overhead / steps
    print(f"the loop's own share of {arguments.steps} steps: {share:.2%}  limit {LIMIT:.0%}: ", end="")
    print("kept" if share <= LIMIT else "MISSED")
    return int(share > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
