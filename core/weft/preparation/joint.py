"""One text codec for several corpora, so that corpora prepared apart can be learned together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import numpy as np

from weft.interfaces.codec import Codec
from weft.interfaces.progress import Reporter, Silent
from weft.pages.numbers import count
from weft.plugins.registry import Registry, get_registry
from weft.preparation.encode import ensure_layer, fit_text_codec
from weft.storage.codecs import save_codec
from weft.storage.corpus import CorpusFolder, Field
from weft.storage.payloads import LazySequence
from weft.storage.tokens import TokenLayer


@contextmanager
def joint_text_codec(corpora: Sequence[CorpusFolder], registry: Registry, reporter: Reporter) -> Iterator[Path | None]:
    """The folder of the one codec for all text of some corpora, while the block lasts.

    It is their own where they share one; otherwise it is learned from the training parts of all of them, and equal
    corpora give an equal codec.

    Yields:
        ``None`` where no corpus has text.
    """
    with_text = [corpus for corpus in corpora if "text" in corpus.manifest["codecs"]]
    if not with_text:
        yield None
        return
    if len({corpus.codec_hash("text") for corpus in with_text}) == 1:
        yield with_text[0].codec_folder("text")
        return
    largest = max(int(corpus.manifest["codecs"]["text"]["vocab_size"]) for corpus in with_text)
    texts = _training_texts(with_text, registry)
    reporter.note(f"learning one text vocabulary for {len(with_text)} corpora (texts: {count(len(texts))})")
    codec = fit_text_codec(texts, minimum=largest)
    reporter.note(f"one text vocabulary of {count(codec.vocab_size, 'id')} for {len(with_text)} corpora")
    with tempfile.TemporaryDirectory(prefix="weft-") as temporary:
        folder = Path(temporary) / "text"
        save_codec(codec, folder)
        yield folder


def reencode(
    corpus: CorpusFolder, field: str, codec: Codec[str], codec_hash: str, reporter: Reporter | None = None
) -> TokenLayer:
    """Tokens of the ``payload`` or ``prompt`` of each part under a codec that need not be the corpus's own."""
    known: dict[str, Field] = {"payload": "payload", "prompt": "prompt"}
    return ensure_layer(corpus, known[field], codec, codec_hash, get_registry(), reporter or Silent())


def _training_texts(corpora: Sequence[CorpusFolder], registry: Registry) -> Sequence[str]:
    return _concatenated([texts for corpus in corpora for texts in _texts_of(corpus, registry)])


def _texts_of(corpus: CorpusFolder, registry: Registry) -> Iterator[Sequence[str]]:
    if corpus.modality == "text":
        samples = corpus.samples(registry.payload_format("text"), "train")
        yield LazySequence(len(samples), lambda i: str(samples[i].payload))
    prompts = (corpus.prompts[row] for row in corpus.rows("train").tolist())
    yield [prompt for prompt in prompts if prompt is not None]


def _concatenated(parts: Sequence[Sequence[str]]) -> Sequence[str]:
    starts = list(accumulate(map(len, parts), initial=0))

    def element(index: int) -> str:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        return parts[part][index - starts[part]]

    return LazySequence(starts[-1], element)
