"""Stage 1 as a whole: how fast, with how many processes, in how much memory.

    python benchmarks/preparation.py [--million] [--engine]

Every line is a ratio or a limit of its own: the preparation of Fashion-MNIST with a codec learned before; two processes
beside one, for reading and cleaning images and audio; tokens beside `tokenizers` alone. ``--million`` prepares a
million short generated documents from the first byte to the last token and watches memory; ``--engine`` does the work
by a local Ray cluster of two workers as well, and compares the corpora.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

import weft
from weft.interfaces.progress import Silent
from weft.plugins.registry import get_registry
from weft.preparation.blocks import BlockStore, cut_blocks
from weft.preparation.collect import collect
from weft.preparation.encode import write_layer
from weft.preparation.engines.local import LocalEngine
from weft.preparation.engines.work import Work
from weft.preparation.examine import Judges

DATA = Path(__file__).parents[2] / "shared" / "data"
FASHION_SECONDS, TWICE, TOKENS, MEMORY = 12.0, 1.7, 1.1, 4.0
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="Prepare a million documents as well.")
    parser.add_argument("--engine", action="store_true", help="Prepare by a Ray cluster as well.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as name:
        folder = Path(name)
        if arguments.million:
            million(folder)
        else:
            fashion(folder, arguments.engine)
            processes(folder)
            tokenization(folder)


def fashion(folder: Path, engine: bool) -> None:
    """6,000 pictures, codec learning apart."""
    source = DATA / "image" / "fashion_mnist"
    learned = weft.prepare(source, out=folder / "learned", options={"image.codec_steps": 1})
    seconds, corpora = [], []
    for number in range(ROUNDS):
        began = time.perf_counter()
        corpora.append(weft.prepare(source, out=folder / f"again-{number}", codec=learned, processes=2))
        seconds.append(time.perf_counter() - began)
    show("Fashion-MNIST, codec given, s wall", sorted(seconds)[ROUNDS // 2], FASHION_SECONDS, at_most=True)
    if engine:
        began = time.perf_counter()
        there = weft.prepare(source, out=folder / "there", codec=learned, processes=2, engine="ray")
        print(f"the same by a Ray cluster of two workers, s wall: {time.perf_counter() - began:.1f}")
        print(f"the same corpus: {'kept' if there.sha256 == corpora[0].sha256 else 'MISSED'}")


def processes(folder: Path) -> None:
    """Two processes beside one, in turn, of the stage that they share."""
    for modality, name in (
        ("image", "fashion_mnist"),
        ("image", "noto_emoji"),
        ("audio", "fsdd"),
        ("audio", "drum_hits"),
    ):
        registry = get_registry()
        items = [
            item
            for item in collect([DATA / modality / name]).items
            if item.suffix in registry.modality(modality).extensions
        ]
        preparer_class = registry.preparer_class(modality)
        preparer = preparer_class(preparer_class.resolve(registry.options_class(modality)(), items))
        judges = Judges(modality, preparer, preparer.filters(), registry.payload_format(modality), preparer.near())
        blocks = cut_blocks(items, preparer)
        work = Work(judges, blocks, BlockStore(folder / name, len(blocks)))
        one, two = paired(partial(examine, work, 1), partial(examine, work, 2))
        show(f"{name}: two processes beside one, times as fast", one / two, TWICE, at_most=False)


def examine(work: Work, count: int) -> None:
    assert work.store is not None
    for _ in LocalEngine(count, 300.0).examine(work, work.store, range(len(work.blocks))):
        pass


def tokenization(folder: Path) -> None:
    """Tokens of a text corpus beside the library that makes them."""
    books = DATA / "text" / "books"
    paragraphs = [
        part for path in sorted(books.glob("*.txt")) for part in path.read_text().split("\n\n") if part.strip()
    ]
    (folder / "books.jsonl").write_text("\n".join(json.dumps({"text": part}) for part in paragraphs))
    corpus = weft.prepare(folder / "books.jsonl", out=folder / "books").folder
    codec = corpus.codec("text", get_registry())
    texts = paragraphs * 5
    numbers = iter(range(1000))

    def ours() -> None:
        layer = folder / f"layer-{next(numbers)}"
        layer.mkdir()
        write_layer(layer, codec, texts, Silent(), "encoding")

    tokenizer = Tokenizer.from_file(str(corpus.codec_folder("text") / "tokenizer.json"))

    def theirs() -> None:
        tokenizer.encode_batch_fast(texts, add_special_tokens=False)

    mine, direct = paired(ours, theirs)
    show("tokens written to disk beside tokenizers alone, times the time", mine / direct, TOKENS, at_most=True)


def million(folder: Path) -> None:
    """Documents of some 40 words each; one in ten repeats an earlier one, or nearly."""
    for count in (10_000, 100_000, 1_000_000):
        source = folder / f"{count}.jsonl"
        write_documents(source, count)
        began = time.perf_counter()
        peak, (kept, tokens) = in_a_process_of_its_own(prepared, source, folder / f"corpus-{count}")
        seconds = time.perf_counter() - began
        print(f"{count:9,} documents: {seconds:7.1f} s wall, {peak:.2f} GiB at most, {kept:,} kept, {tokens:,} tokens")
    show("memory of a million documents, GiB", peak, MEMORY, at_most=True)


def prepared(source: Path, out: Path) -> tuple[int, int]:
    corpus = weft.prepare(source, out=out, processes=2)
    return corpus.summary()["kept"], corpus.summary()["tokens"]


def write_documents(path: Path, count: int) -> None:
    chance = random.Random(count)
    words = sorted({word for file in (DATA / "text" / "books").glob("*.txt") for word in file.read_text().split()})
    recent: list[list[str]] = []
    with path.open("w") as file:
        for _ in range(count):
            text = chance.choices(words, k=chance.randrange(20, 60))
            if recent and chance.random() < 0.1:
                text = list(chance.choice(recent))
                text[chance.randrange(len(text))] = chance.choice(words)
            recent = [*recent[-999:], text]
            file.write(json.dumps({"text": " ".join(text)}) + "\n")


def in_a_process_of_its_own(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """What it returned, and the most memory in GiB that it and its children held together."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=lambda: results.put(work(*arguments)))
    process.start()
    peak = 0
    while process.is_alive():
        peak = max(peak, sum(map(memory, family(process.pid))))
        process.join(1)
    return peak / 2**20, results.get()


def family(pid: int | None) -> list[int]:
    """A process and its children."""
    found = [int(pid or 0)]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def memory(pid: int) -> int:
    """What a process holds in KiB, its share alone of what it has together with others."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def paired(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """Seconds of two things done in turn, the median of each."""
    found: Sequence[list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, seconds in zip((first, second), found, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return sorted(found[0])[ROUNDS // 2], sorted(found[1])[ROUNDS // 2]


def show(what: str, reached: float, limit: float, *, at_most: bool) -> None:
    kept = reached <= limit if at_most else reached >= limit
    print(f"{what}: {reached:.2f}  limit {limit:g}: {'kept' if kept else 'MISSED'}")


if __name__ == "__main__":
    main()
