"""Byte-level BPE: exact for any text, the same everywhere, and streamed as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs import bpe
from weft.codecs.bpe import ByteLevelBPE, StreamDecoder, default_vocab_size
from weft.errors import FolderError, GenerationError, OptionError
from weft.interfaces.codec import Codec, CodecFacts, Tokens

LINES = [
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.\n",
    "def f(x):\n    if x:\n        return x + 1\n\n\treturn 2026\n",
    "Ça été déjà vu — naïve façade; 東京は日本の首都です。\r\n",
]
CORPUS = [line * 3 + str(number) for number, line in enumerate(LINES * 20)]

TEXTS = st.text(max_size=200) | st.text(alphabet=" \t\n\r\0ab'S1é\u0301\u200d👩🚀<|end>\u2028\x1c\x85_", max_size=200)
ODD = [
    "", "\0", "a\0b", "\u0301\u0302", "👩‍🚀👩🏽‍🚀", "a\r\nb\rc\n", "<|end|><|text|>", "   \n\n  x", "\ufeffx",
    "\U0010ffff", "it's IT'S", "e\u0301 is not é", " " * 70, "\n" * 70, "\x85\u2028\u3000",
]  # fmt: skip


@pytest.fixture(scope="module")
def codec() -> ByteLevelBPE:
    return ByteLevelBPE.fit(CORPUS, 340)


@given(texts=st.lists(TEXTS, max_size=4))
def test_any_text_comes_back_exactly(codec: ByteLevelBPE, texts: list[str]) -> None:
    ids = codec.encode(texts)
    assert codec.decode(ids) == texts
    counts = codec.facts().bytes_per_token
    assert counts is not None
    for text, each in zip(texts, ids, strict=True):
        assert each.dtype == np.int32
        assert each.ndim == 1
        assert sum(counts[i] for i in each) == len(text.encode("utf-8"))


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_texts_come_back_exactly(codec: ByteLevelBPE, text: str) -> None:
    assert codec.decode(codec.encode([text])) == [text]


@given(texts=st.lists(TEXTS, min_size=2, max_size=4))
def test_a_text_does_not_depend_on_its_neighbors(codec: ByteLevelBPE, texts: list[str]) -> None:
    together = codec.encode(texts)
    assert [t.tolist() for t in together] == [codec.encode([text])[0].tolist() for text in texts]


@given(data=st.data())
def test_any_ids_decode_and_stream_to_the_same(codec: ByteLevelBPE, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, codec.vocab_size - 1), max_size=60))
    whole = codec.decode([np.array(ids, dtype=np.int32)])[0]
    decoder = StreamDecoder(codec)
    assert "".join([*map(decoder.feed, ids), decoder.finish()]) == whole


def test_bytes_that_are_no_utf8_become_replacements(codec: ByteLevelBPE) -> None:
    first_byte_of_euro = codec.encode(["€"])[0][:1]
    assert codec.decode([first_byte_of_euro]) == ["\ufffd"]


@given(text=TEXTS)
def test_streamed_pieces_are_whole_characters(codec: ByteLevelBPE, text: str) -> None:
    decoder = StreamDecoder(codec)
    pieces = [decoder.feed(int(i)) for i in codec.encode([text])[0]]
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) == text
    assert decoder.finish() == ""


@settings(max_examples=200)
@given(text=st.text(alphabet="ab \n\r\t.1_é'\x1c\x85\u2028", max_size=300))
def test_cutting_a_long_text_changes_no_token(codec: ByteLevelBPE, text: str) -> None:
    whole = codec.encode([text])[0].tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe, "_PIECE_CHARS", 5)
        patch.setattr(bpe, "_PIECES_AT_ONCE", 2)
        assert codec.encode([text])[0].tolist() == whole


def test_a_long_text_is_really_cut() -> None:
    text = "word\n" * 100_000
    pieces = list(bpe._pieces(text))
    assert "".join(pieces) == text
    assert len(pieces) == 500_000 // 65_540 + 1


def test_learned_tokens_compress(codec: ByteLevelBPE) -> None:
    text = LINES[0] + LINES[1]
    assert codec.vocab_size == 340
    assert len(codec.encode([text])[0]) < 0.6 * len(text)
    assert codec.facts() == CodecFacts(((0, 340),), bytes_per_token=codec.facts().bytes_per_token)


def test_indentation_is_one_token_and_words_are_not_joined(codec: ByteLevelBPE) -> None:
    texts = [codec.token_bytes(i).decode("utf-8", "replace") for i in range(codec.vocab_size)]
    assert any(text.isspace() and len(text) > 2 and "\n" not in text for text in texts)
    assert not [text for text in texts if len(text.split()) > 1]
    assert not [text for text in texts if sum(map(str.isdigit, text)) > 1]


def test_the_vocabulary_is_never_more_than_the_data_supports() -> None:
    assert ByteLevelBPE.fit([], 1000).vocab_size == 256
    assert ByteLevelBPE.fit(["abc"], 1000).vocab_size == 256
    # "red" twice: two merges, and then no pair occurs twice.
    assert ByteLevelBPE.fit(["red", "red"], 1000).vocab_size == 258


def test_default_vocabulary() -> None:
    sizes = [default_vocab_size(10**power) for power in range(12)]
    assert sizes[0] == sizes[5] == 512
    assert sizes[6] == 1024
    assert 7500 < sizes[8] < 8500
    assert sizes[-1] == 32_768
    assert sizes == sorted(sizes)


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(OptionError, match="at least 256"):
        ByteLevelBPE.fit(["x"], 255)


def test_half_a_surrogate_pair_is_refused_with_its_place(codec: ByteLevelBPE) -> None:
    for action in (lambda: codec.encode(["ab\udcffc"]), lambda: ByteLevelBPE.fit(["ab\udcffc"], 300)):
        with pytest.raises(OptionError, match=r"character 3 \(U\+DCFF\)"):
            action()


def test_saved_bytes_are_stable(codec: ByteLevelBPE, tmp_path: Path) -> None:
    data = []
    for number, each in enumerate([codec, ByteLevelBPE.fit(reversed(CORPUS), 340)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        each.save(folder)
        assert [path.name for path in folder.iterdir()] == ["tokenizer.json"]
        data.append((folder / "tokenizer.json").read_bytes())
    assert data[0] == data[1]
    again = tmp_path / "again"
    again.mkdir()
    loaded = ByteLevelBPE.load(tmp_path / "0")
    loaded.save(again)
    assert (again / "tokenizer.json").read_bytes() == data[0]
    assert [t.tolist() for t in loaded.encode(CORPUS)] == [t.tolist() for t in codec.encode(CORPUS)]
    assert loaded.facts() == codec.facts()


SCRIPT = """
import hashlib, pathlib, sys
from weft.codecs.bpe import ByteLevelBPE
text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
codec = ByteLevelBPE.fit([text[i : i + 997] for i in range(0, len(text), 997)], 700)
folder = pathlib.Path(sys.argv[2])
codec.save(folder)
"""


def test_threads_do_not_change_what_is_learned(tmp_path: Path) -> None:
    # Many words that occur equally often, so that merges tie.
    words = [a + b + c for a in "bcdfghjklm" for b in "aeiou" for c in "npqrstvwxz"]
    (tmp_path / "text.txt").write_text(" ".join(words * 20), encoding="utf-8")
    found = []
    for threads, hash_seed in (("1", "0"), ("2", "1"), ("7", "2")):
        folder = tmp_path / threads
        folder.mkdir()
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "text.txt"), str(folder)]
        subprocess.run(command, env=environment, check=True, timeout=60)
        found.append((folder / "tokenizer.json").read_bytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.update(normalizer={"type": "NFC"}), "not a plain byte-level BPE"),
        (lambda table: table["model"]["vocab"].pop("A"), "damaged|gaps"),
        (lambda table: table["model"]["vocab"].update({"東": len(table["model"]["vocab"])}), "stands for no byte"),
        (
            lambda table: table["added_tokens"].append(
                {"id": len(table["model"]["vocab"]), "content": "<|end|>", "special": True, "normalized": False}
                | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            ),
            "special tokens",
        ),
    ],
    ids=["normalizer", "missing byte", "no byte", "special token"],
)
def test_tokenizers_of_another_kind_are_refused(codec: ByteLevelBPE, tmp_path: Path, damage, message: str) -> None:
    codec.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    damage(table)
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(FolderError, match=message):
        ByteLevelBPE.load(tmp_path)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"model": 1}'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(FolderError, match=r"tokenizer.json is missing or damaged"):
        ByteLevelBPE.load(tmp_path)


class OtherCodec(Codec[str]):
    name = "other"
    vocab_size = 1

    def encode(self, payloads: Sequence[str]) -> list[Tokens]:
        raise NotImplementedError

    def decode(self, ids: Sequence[Tokens]) -> list[str]:
        raise NotImplementedError

    def facts(self) -> CodecFacts:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> OtherCodec:
        raise NotImplementedError


def test_only_bytes_can_be_streamed() -> None:
    with pytest.raises(GenerationError, match="'other' cannot be streamed"):
        StreamDecoder(OtherCodec())


@pytest.mark.parametrize("unit", ["word ", "a", " ", "東京", "line of text\n"], ids=ascii)
def test_a_megabyte_takes_about_a_second(codec: ByteLevelBPE, unit: str) -> None:
    text = unit * (1_000_000 // len(unit.encode("utf-8")))
    began = time.process_time()
    ids = codec.encode([text])
    encoded = time.process_time() - began
    assert codec.decode(ids) == [text]
    began = time.process_time()
    ByteLevelBPE.fit([text], 1000)
    # CPU seconds of all threads, with room for a loaded machine.
    assert encoded < 5
    assert time.process_time() - began < 5
