"""Makes the golden folder of the present schema: ``python tests/golden/make.py``, once for each new schema version.

It is committed as it is, never made again: later versions must open, use and migrate what this version wrote.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import weft
from weft.models.sizes import SIZES, Size
from weft.storage import corpus, run

GREETINGS = ("hello", "good day", "welcome", "so long")
PROMPT = "say welcome to 6"


def make(folder: Path) -> None:
    """Write ``corpus``, ``run`` and what they are expected to say."""
    SIZES["golden"] = Size(
        layers=1,
        width=8,
        heads=1,
        kv_heads=1,
        head_size=8,
        hidden=32,
        learning_rate=0.02,
        tokens_per_step=128,
        text_context=32,
        training_tokens=10_000,
    )
    lines = [{"prompt": f"say {word} to {i}", "response": f"{word}, {i}!"} for i, word in enumerate(GREETINGS * 6)]
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        Path("greetings.jsonl").write_text("\n".join(map(json.dumps, [*lines, lines[0], {"surplus": 1}])))
        prepared = weft.prepare("greetings.jsonl", out=folder / "corpus", options={"text.vocab_size": 256})
    for name in corpus.DERIVED:  # made from the rest, and large
        path = folder / "corpus" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    trained = weft.train(prepared, out=folder / "run", size="golden", steps=300, batch_size=4, threads=1, device="cpu")
    artifact = trained.generate(PROMPT, temperature=0, seed=0, max_tokens=12, precision="float64")[0]
    expected = {
        "corpus": prepared.summary(),
        "run": trained.summary(),
        "prompt": PROMPT,
        "tokens": list(artifact.drawn.tokens),
        "text": artifact.payload,
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    target = Path(__file__).resolve().parent / f"corpus-{corpus.SCHEMA}-run-{run.SCHEMA}"
    if target.exists():
        sys.exit(f"{target} exists; golden folders are never made again")
    try:
        make(target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
