"""Stage 1 of text from real files to a corpus folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from weft.codecs.bpe import ByteLevelBPE
from weft.preparation.ledger import check_counts
from weft.storage.corpus import CorpusFolder

SHARED = Path(os.path.relpath(Path(__file__).parents[3].parent / "shared" / "data"))


def verdicts(corpus: CorpusFolder) -> dict[tuple[str, int | None], dict[str, Any]]:
    return {(row["item"], row["sample"]): row for row in corpus.verdicts()}


def texts(corpus: CorpusFolder, registry: Any, split: Any = None) -> list[str]:
    return [sample.payload for sample in corpus.samples(registry.payload_format("text"), split)]


def test_few_documents_hold_out_their_ends(prepare_text: Any, text_registry: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    poem = "".join(f"Line {number}, and a word or two.\n" for number in range(200))
    (source / "poem.txt").write_text(poem, encoding="utf-8")
    (source / "README.md").write_text("not an item")
    corpus = prepare_text(source)
    assert corpus.manifest["held_out"] == "ends of samples"
    head, tail = texts(corpus, text_registry, "train"), texts(corpus, text_registry, "validation")
    assert "".join(head + tail) == poem
    assert tail[0].startswith("Line 180,")
    codec = corpus.codec("text", text_registry)
    assert isinstance(codec, ByteLevelBPE)
    assert codec.decode(list(corpus.layer("payload", corpus.codec_hash("text")))) == head + tail
    assert corpus.manifest["codecs"]["text"]["quality"]["bytes_per_token"] > 2


def test_prompts_are_learned_by_the_codec_and_answers_stay_whole(
    prepare_text: Any, text_registry: Any, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    lines = [{"prompt": f"zyzzyva zyzzyva {n}?", "response": f"yes, {n}"} for n in range(40)]
    (source / "chat.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    corpus = prepare_text(source)
    assert corpus.manifest["held_out"] == "last samples"
    codec = corpus.codec("text", text_registry)
    assert len(codec.encode(["zyzzyva"])[0]) <= 2
    assert set(texts(corpus, text_registry)) == {line["response"] for line in lines}


def test_options_take_effect(prepare_text: Any, text_registry: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    documents = [f"number {number} is a number like others " * (number + 1) for number in range(30)]
    for number, document in enumerate(documents):
        (source / f"{number:02d}.txt").write_text(document)
    corpus = prepare_text(source, vocab_size=270, min_chars=100, max_chars=900)
    assert corpus.codec("text", text_registry).vocab_size == 270
    rejected = corpus.manifest["counts"]["rejected"]
    lengths = [len(document.strip()) for document in documents]
    assert rejected == {"too-short": sum(n < 100 for n in lengths), "too-long": sum(n > 900 for n in lengths)}
    assert min(rejected.values()) > 0


def test_every_nasty_file_is_used_or_rejected_with_a_reason(prepare_text: Any, text_registry: Any) -> None:
    folder = SHARED / "nasty" / "text"
    if not folder.is_dir():
        pytest.skip("the folder of nasty files is not there")
    corpus = prepare_text(folder)
    counts = corpus.manifest["counts"]
    check_counts(counts)
    rows = verdicts(corpus)
    assert {item for item, _ in rows} == {path.name for path in folder.iterdir()}
    reasons = {key: row["reason"] for key, row in rows.items() if row["verdict"] == "rejected"}
    for name in ("big5_chinese.txt", "cp1252_french.txt", "cp1256_arabic.txt"):
        assert reasons.pop((name, None)) == "unreadable"
        assert "not UTF-8" in rows[name, None]["detail"]
    ragged = {key: reasons.pop(key) for key in list(reasons) if key[0] == "ragged.csv"}
    assert set(ragged.values()) == {"unreadable"}
    assert len(ragged) == 3
    assert rows["ragged.csv", 1]["verdict"] == "kept"
    assert reasons.pop(("nul_bytes.txt", 0)) == "binary"
    assert reasons.pop(("only_whitespace.txt", 0)) == "empty"
    assert {item for item, _ in reasons} == {"broken_lines.jsonl"}
    assert sorted(reasons.values()) == ["empty"] * 2 + ["unreadable"] * 3
    kept = "".join(texts(corpus, text_registry))
    assert "\ufeff" not in kept
    assert "\r" not in kept
    assert "\0" not in kept
    assert len((folder / "one_line_200k.txt").read_text(encoding="utf-8")) < len(kept)
