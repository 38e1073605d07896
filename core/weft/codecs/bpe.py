"""Byte-level byte-pair encoding of text (arXiv:1508.07909; bytes as in GPT-2).

Every byte is in the vocabulary, so any text can be written, and the text comes back exactly as it was. There are no
special tokens: a text that looks like one is text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from weft.errors import FolderError, GenerationError, OptionError
from weft.interfaces.codec import Codec, CodecFacts, Tokens

BYTES = 256
"""The least vocabulary: one id a byte."""

FILE = "tokenizer.json"

# The split of Qwen2 and Qwen3, which llama.cpp knows by name: digits one by one, indentation in one piece but for the
# space that goes with the word, line breaks with the white space or the punctuation before them.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_PIECE_CHARS = 1 << 16
"""A long text is encoded in pieces of about this length, which bounds memory and uses all cores."""

_PIECES_AT_ONCE, _CHARACTERS_AT_ONCE = 512, 1 << 20
"""A batch ends with the piece that reaches either: few pieces leave threads waiting for each other, and what is known
of many long ones fills memory."""

# Between a line break and a letter or digit the split above always separates, so cutting there changes no token.
_SAFE_CUT = re.compile(r"\n(?=\w)")

# Learning a merge takes time in proportion to the words that hold it: a blob without white space, or a megabyte of
# spaces, is learned from as words of this length.
_LONG_RUN = re.compile(r"(\S{512}|\s{512})")


def default_vocab_size(total_utf8_bytes: int) -> int:
    """The vocabulary to aim at for that much text: 1,024 at 1 MB, 8 thousand at 100 MB, at least 512, at most 32,768
    (``docs/lab-notes.md`` has what smaller and larger ones gave).

    Learning stops earlier where no pair of tokens occurs twice, so small data gets no more than it supports.
    """
    grown = 1024 * (total_utf8_bytes / 1e6) ** 0.45
    return min(32_768, max(512, int(grown) // 64 * 64))


class ByteLevelBPE(Codec[str]):
    """Text to ids of byte sequences.

    Args:
        tokenizer: A byte-level BPE without normalizer, special tokens or post-processor, that has all 256 bytes.

    Raises:
        FolderError: The tokenizer is of another kind, so that it might not give back the text it was given.
    """

    name: ClassVar[str] = "bpe"
    batch: ClassVar[int] = 2048

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._bytes = _bytes_of_ids(tokenizer)

    @classmethod
    def fit(cls, texts: Iterable[str], vocab_size: int) -> Self:
        """Learn merges from texts. Equal texts give an equal codec, whatever their order and the number of threads.

        Args:
            texts: What to learn from; read once.
            vocab_size: Ids to aim at; fewer where no pair of tokens occurs twice any more.

        Raises:
            OptionError: Fewer than 256 ids, or a text that UTF-8 cannot hold.
        """
        if vocab_size < BYTES:
            raise OptionError(f"a text vocabulary needs at least {BYTES} ids, one for each byte; got {vocab_size}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            show_progress=False,
            special_tokens=[],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        tokenizer.train_from_iterator(_words_of_bearable_length(texts), trainer)
        return cls(tokenizer)

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    def encode(self, payloads: Sequence[str]) -> list[Tokens]:
        """Token ids of each text, int32.

        Raises:
            OptionError: A text that UTF-8 cannot hold: one half of a surrogate pair.
        """
        for text in payloads:
            _require_utf8(text)
        found: list[list[Tokens]] = [[] for _ in payloads]
        batches = _batches((row, piece) for row, text in enumerate(payloads) for piece in _pieces(text))
        for batch, encoded in zip(batches, self._encoded(batches), strict=True):
            for (row, _), ids in zip(batch, encoded, strict=True):
                found[row].append(ids)
        return [parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int32), *parts]) for parts in found]

    def _encoded(self, batches: Sequence[Sequence[tuple[int, str]]]) -> Iterator[list[Tokens]]:
        """Ids of the pieces of each batch."""

        def ids_of(batch: Sequence[tuple[int, str]]) -> list[Tokens]:
            encodings = self._tokenizer.encode_batch_fast([piece for _, piece in batch], add_special_tokens=False)
            return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

        if len(batches) < 2:
            yield from map(ids_of, batches)
            return
        # While one batch becomes arrays, which Python does on one processor, the other threads encode the next.
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(ids_of, batches)

    def decode(self, ids: Sequence[Tokens]) -> list[str]:
        """The text of each sequence; bytes that are no UTF-8 become U+FFFD, so that any ids decode."""
        return [b"".join(map(self.token_bytes, each)).decode("utf-8", "replace") for each in ids]

    def token_bytes(self, token: int) -> bytes:
        """The bytes that an id stands for; on their own they need not be valid UTF-8."""
        return self._bytes[token]

    def facts(self) -> CodecFacts:
        return CodecFacts(((0, self.vocab_size),), bytes_per_token=tuple(map(len, self._bytes)))

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, in the format of the `tokenizers` library."""
        (folder / FILE).write_bytes(f"{self._tokenizer.to_str(pretty=True)}\n".encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FolderError: The file is missing, damaged, or of another kind of tokenizer.
        """
        path = folder / FILE
        try:
            tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        # The library raises bare Exception for a file that it cannot parse.
        except Exception as error:
            raise FolderError(f"{path} is missing or damaged ({error}); restore the file") from error
        try:
            return cls(tokenizer)
        except FolderError as error:
            raise FolderError(f"{path}: {error}") from error


class StreamDecoder:
    """Text of ids that come one by one: what it returns, put together, is what :meth:`ByteLevelBPE.decode` gives.

    Args:
        codec: The text codec.

    Raises:
        GenerationError: A codec whose ids do not stand for bytes.
    """

    def __init__(self, codec: Codec[Any]) -> None:
        if not isinstance(codec, ByteLevelBPE):
            raise GenerationError(f"the codec {codec.name!r} cannot be streamed; generate the text as a whole")
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """The characters that this id completes; empty where it ends within one."""
        return self._decoder.decode(self._codec.token_bytes(token))

    def finish(self) -> str:
        """What is left at the end: U+FFFD for a character that was never completed."""
        return self._decoder.decode(b"", final=True)


def _bytes_of_ids(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes that each id stands for, in the order of ids.

    Raises:
        FolderError: It is not the kind of tokenizer that gives back any text exactly.
    """
    alters = [tokenizer.normalizer, tokenizer.post_processor, tokenizer.truncation, tokenizer.padding]
    if not isinstance(tokenizer.model, models.BPE) or any(part is not None for part in alters):
        raise FolderError("the tokenizer is not a plain byte-level BPE, which alone gives back any text exactly")
    if tokenizer.get_added_tokens_decoder():
        raise FolderError("the tokenizer has special tokens, which Weft keeps outside of the text vocabulary")
    byte_of = _byte_of_character()
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    table = {number: token for token, number in vocabulary.items()}
    if sorted(table) != list(range(len(vocabulary))) or not byte_of.keys() <= vocabulary.keys():
        raise FolderError("the tokenizer's ids have gaps, or bytes are missing from them")
    try:
        return [bytes(byte_of[character] for character in table[number]) for number in range(len(table))]
    except KeyError as error:
        raise FolderError(f"the tokenizer has a token with the character {error}, which stands for no byte") from error


def _byte_of_character() -> dict[str, int]:
    """GPT-2's characters for bytes: printable Latin-1 as it is, the others moved up, in order, from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = (byte for byte in range(BYTES) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(BYTES + place): byte for place, byte in enumerate(moved)}


def _words_of_bearable_length(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        _require_utf8(text)
        yield from filter(None, _LONG_RUN.split(text))


def _batches(pieces: Iterable[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    batches: list[list[tuple[int, str]]] = []
    length = _CHARACTERS_AT_ONCE
    for row, piece in pieces:
        if length >= _CHARACTERS_AT_ONCE or len(batches[-1]) >= _PIECES_AT_ONCE:
            batches.append([])
            length = 0
        batches[-1].append((row, piece))
        length += len(piece)
    return batches


def _pieces(text: str) -> Iterator[str]:
    """Parts of a text, at line breaks where cutting changes no token."""
    start = 0
    while cut := _SAFE_CUT.search(text, start + _PIECE_CHARS):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


def _require_utf8(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise OptionError(
            f"the text cannot be written as UTF-8: character {error.start + 1} (U+{ord(text[error.start]):04X}) is one "
            f"half of a surrogate pair; remove it"
        ) from error
