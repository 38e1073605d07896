"""Near-duplicate texts: throughput beside datatrove's, and time and memory from 10,000 to a million documents.

Both get the same 50,000 documents from memory, of which every tenth is a copy of the one before it with a few words
replaced. datatrove runs its four stages (signatures, buckets, clusters, filter) with its defaults in one process, and
writes between them as it does; but words are parted at white space, for its default English tokenizer, spaCy, is not
part of it, and would only make it slower. Limits: at least twice its throughput; a time for each document that grows by
no more than a half from 10,000 to a million short documents, in less than 4 GiB.

    python benchmarks/dedup_text.py [--documents N] [--sizes N,N,...] [--seed N] [--out FOLDER]

The scaling curve is written to FOLDER as a picture. Needs the extra `bench`: pip install -e '.[bench]'.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from planting import Target, print_table, report

import weft
from weft.preparation.duplicates import Candidates, find_duplicates
from weft.storage.signatures import SignatureTable
from weft_text.options import TextOptions
from weft_text.preparer import TextPreparer

RATIO, GROWTH, MEMORY = 2.0, 1.5, 4.0
WORDS, SHORT_WORDS = 150, 40
VOCABULARY = 50_000
COPIES = 10
"""Every so manieth document is a copy."""

_BATCH = 1000


def documents(count: int, words: int, seed: int) -> Iterator[str]:
    """Words drawn as those of a language are (Zipf's law), so many a document on average; and copies."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array(["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 10))) for _ in range(VOCABULARY)])
    shares = 1 / np.arange(1, VOCABULARY + 1)
    cumulative = np.cumsum(shares / shares.sum())
    earlier = vocabulary[:words]
    for number in range(count):
        if number % COPIES == COPIES - 1:
            chosen = earlier.copy()
            chosen[rng.integers(len(chosen), size=max(1, len(chosen) // 25))] = "replaced"
        else:
            size = int(rng.integers(words // 2, 3 * words // 2))
            chosen = vocabulary[np.searchsorted(cumulative, rng.random(size)).clip(max=VOCABULARY - 1)]
            earlier = chosen
        yield " ".join(chosen)


def ours(texts: Sequence[str]) -> tuple[float, int]:
    """CPU-seconds of signing documents and of finding duplicates among them, and how many are kept."""
    near = TextPreparer(TextOptions()).near()
    assert near is not None
    start = time.process_time()
    batches = (texts[place : place + _BATCH] for place in range(0, len(texts), _BATCH))
    signatures = SignatureTable.joined([SignatureTable.from_signatures(near.sign(batch)) for batch in batches])
    ranks = np.array([near.rank(weft.Sample(text)) for text in texts])
    identities = [hashlib.sha256(text.encode("utf-8")).hexdigest() for text in texts]
    found = find_duplicates(Candidates(identities, ranks, [None] * len(texts), signatures), near, texts.__getitem__)
    return time.process_time() - start, len(texts) - len(found)


def datatrove(texts: Sequence[str], folder: Path) -> tuple[float, int]:
    """CPU-seconds of datatrove's stages, and how many documents it keeps."""
    import xxhash
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer
    from loguru import logger

    class AtWhiteSpace(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    logger.remove()
    config = MinhashConfig()
    found = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    signatures, buckets, clusters = (str(folder / name) for name in ("signatures", "buckets", "clusters"))
    sign = MinhashDedupSignature(signatures, config, AtWhiteSpace())
    # It hands text to xxhash, which since version 4 takes bytes alone.
    sign._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode("utf-8"))
    start = time.process_time()
    sign.run(iter(found), rank=0, world_size=1)
    for bucket in range(config.num_buckets):
        MinhashDedupBuckets(signatures, buckets, config=config).run(None, rank=bucket, world_size=config.num_buckets)
    MinhashDedupCluster(buckets, clusters, config=config).run(None, 0, 1)
    kept = sum(1 for _ in MinhashDedupFilter(clusters).run(iter(found), rank=0, world_size=1))
    return time.process_time() - start, kept


def scaling(sizes: Sequence[int], seed: int) -> list[tuple[int, float, float]]:
    """Documents, CPU-seconds and peak GiB, each measured in a process of its own."""
    rows = []
    for size in sizes:
        command = [sys.executable, __file__, "--measure", str(size), "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, peak = json.loads(done.stdout)
        rows.append((size, seconds, peak))
    return rows


def measure(size: int, seed: int) -> None:
    """Print seconds and peak memory of this process."""
    seconds, _ = ours(list(documents(size, SHORT_WORDS, seed)))
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)]))


def draw(rows: Sequence[tuple[int, float, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes, seconds, memory = zip(*rows, strict=True)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.loglog(sizes, seconds, "o-", label="measured")
    left.loglog(sizes, [seconds[0] * size / sizes[0] for size in sizes], "--", color="gray", label="linear")
    left.set(xlabel="documents", ylabel="CPU-seconds", title="Time")
    left.legend()
    right.semilogx(sizes, memory, "o-")
    right.set(xlabel="documents", ylabel="GiB at most", title="Memory", ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.measure is not None:
        measure(given.measure, given.seed)
        return 0
    texts = list(documents(given.documents, WORDS, given.seed))
    mine, left = ours(texts)
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        theirs, kept = datatrove(texts, Path(folder))
    print(f"{len(texts):,} documents, {sum(map(len, texts)) / 1e6:.1f} million characters")
    print(f"weft       {mine:7.1f} CPU-s  {len(texts) / mine:8.0f} documents/s  {left:,} kept")
    print(f"datatrove  {theirs:7.1f} CPU-s  {len(texts) / theirs:8.0f} documents/s  {kept:,} kept")
    rows = scaling([int(size) for size in given.sizes.split(",")], given.seed)
    print_table(("documents", "CPU-s", "us each", "GiB"), [(f"{n:,}", s, s / n * 1e6, peak) for n, s, peak in rows])
    draw(rows, given.out / "dedup_text.png")
    each = [seconds / size for size, seconds, _ in rows]
    targets = [
        Target("throughput over datatrove's", theirs / mine, RATIO),
        Target("time for a document, most over fewest", each[-1] / each[0], GROWTH, at_most=True),
        Target("GiB at most", max(peak for _, _, peak in rows), MEMORY, at_most=True),
    ]
    return int(not report(targets))


if __name__ == "__main__":
    sys.exit(main())
