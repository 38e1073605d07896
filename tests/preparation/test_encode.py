"""Tokens in fixed batches, and layers for codecs that came later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weft.errors import PluginError
from weft.interfaces.progress import Silent
from weft.preparation.encode import encode_batch, ensure_layer, fit_text_codec, write_layer
from weft.preparation.joint import joint_text_codec, reencode
from weft.storage.codecs import codec_hash, load_codec, save_codec


@pytest.fixture
def codec(registry: Any) -> Any:
    return registry.codec_class("fake-melody")([1, 2, 3])


def test_batches_are_cut_by_index(tmp_path: Path, codec: Any) -> None:
    layer = write_layer(tmp_path, codec, [[1, 2]] * 150, Silent(), "encoding")
    assert codec.batches == [64, 64, 22]
    assert [tokens.tolist() for tokens in layer] == [[1, 2]] * 150


def test_what_is_missing_is_an_empty_run(codec: Any) -> None:
    assert [tokens.tolist() for tokens in encode_batch(codec, [None, [3], None])] == [[], [3], []]
    assert encode_batch(codec, []) == []
    codec.encode = lambda payloads: []
    with pytest.raises(PluginError, match="gives 0 sequences for 1 payloads"):
        encode_batch(codec, [[3]])


def test_a_codec_is_read_back_by_its_name(tmp_path: Path, codec: Any, registry: Any) -> None:
    digest = save_codec(codec, tmp_path / "codec")
    assert load_codec(tmp_path / "codec", registry).notes == [1, 2, 3]
    assert codec_hash(tmp_path / "codec") == digest
    assert save_codec(type(codec)([1, 2]), tmp_path / "other") != digest
    (tmp_path / "codec" / "codec.json").write_text('{"kind": "codec", "schema": 1, "name": "os:system"}')
    with pytest.raises(PluginError, match="no installed plugin provides the codec 'os:system'"):
        load_codec(tmp_path / "codec", registry)


def test_a_codec_may_not_pickle(tmp_path: Path, codec: Any) -> None:
    codec.save = lambda folder: (folder / "model.pt").write_bytes(b"")
    with pytest.raises(PluginError, match=r"writes model\.pt"):
        save_codec(codec, tmp_path / "codec")


def test_a_layer_for_another_codec_is_kept(prepare: Any, write: Any, registry: Any, codec: Any) -> None:
    corpus = prepare(write({"a.mel": "1 2 3", "b.mel": "3 3"}))
    assert not corpus.has_layer("payload", "f" * 64)
    layer = ensure_layer(corpus, "payload", codec, "f" * 64, registry, Silent())
    assert [tokens.tolist() for tokens in layer] == [[1, 2, 3], [3, 3]]
    assert codec.batches == [2]
    again = ensure_layer(corpus, "payload", codec, "f" * 64, registry, Silent())
    assert codec.batches == [2]
    assert [tokens.tolist() for tokens in again] == [tokens.tolist() for tokens in layer]
    corpus.verify()


def test_encoding_for_a_mixture_shows_how_far_it_is(
    prepare: Any, write: Any, registry: Any, codec: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.preparation.joint.get_registry", lambda: registry)
    corpus = prepare(write({f"{i}.mel": f"{i} 1" for i in range(1, 101)}))
    shown: list[tuple[str, int]] = []
    monkeypatch.setattr(reporter, "task", lambda *of: shown.append(of[:2]) or Silent().task(*of))
    reencode(corpus, "payload", codec, "f" * 64, reporter)
    assert shown == [("encoding payloads of corpus", len(corpus))]
    reencode(corpus, "payload", codec, "f" * 64, reporter)
    assert len(shown) == 1


def test_a_layer_for_a_folder_that_cannot_be_written(
    prepare: Any, write: Any, registry: Any, codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prepare(write({"a.mel": "1 2 3", "b.mel": "3 3"}))

    def read_only(*_: Any, **__: Any) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    layer = ensure_layer(corpus, "payload", codec, "f" * 64, registry, Silent())
    assert [tokens.tolist() for tokens in layer] == [[1, 2, 3], [3, 3]]
    assert not corpus.has_layer("payload", "f" * 64)


def test_a_text_codec_of_captions() -> None:
    texts = ["a red cat", "a blue dog", "ü"] * 50
    codec = fit_text_codec(texts)
    assert codec.decode(codec.encode(texts)) == texts
    assert codec.vocab_size >= 256


def test_corpora_that_share_a_codec_keep_it(prepare: Any, write: Any, registry: Any) -> None:
    corpus = prepare(write({"waltz/a.mel": "1 2 3", "waltz/b.mel": "3 3"}))
    with joint_text_codec([corpus, corpus], registry, Silent()) as folder:
        assert folder == corpus.codec_folder("text")


def test_corpora_without_text_have_no_text_codec(prepare: Any, write: Any, registry: Any) -> None:
    corpus = prepare(write({"a.mel": "1 2 3", "b.mel": "3 3"}))
    with joint_text_codec([corpus], registry, Silent()) as folder:
        assert folder is None


def test_corpora_with_different_text_get_one_codec(prepare: Any, write: Any, registry: Any, reporter: Any) -> None:
    some = {f"slow waltz in {key}/{i}.mel": f"{i} {ord(key)}" for i in range(20) for key in "abcdefg"}
    one = prepare(write(some, folder="one"), out="c1")
    two = prepare(write({f"polka/{i}.mel": f"{i} 2" for i in range(20)}, folder="two"), out="c2")
    assert one.codec_hash("text") != two.codec_hash("text")
    hashes = []
    for _ in range(2):
        with joint_text_codec([one, two], registry, reporter) as folder:
            assert folder is not None
            hashes.append(codec_hash(folder))
            codec = load_codec(folder, registry)
            layer = ensure_layer(two, "prompt", codec, hashes[-1], registry, Silent())
            assert codec.decode([layer[0]]) == ["polka"]
    learning = "learning one text vocabulary for 2 corpora "
    assert [note.startswith(learning) for note in reporter.notes if "one text vocabulary" in note] == [True, False] * 2
    assert hashes[0] == hashes[1]
    assert not folder.exists()
