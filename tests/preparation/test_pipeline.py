"""Stage 1 from files to a corpus folder."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import FolderError, OptionError, PluginError, SourceError
from weft.preparation.ledger import check_counts
from weft.preparation.pipeline import evenly_spaced
from weft.storage.corpus import CorpusFolder

MELODIES = {f"{i:02d}.mel": f"{i} {i + 1} {i + 2}\n{i} {i} {i + 50}" for i in range(1, 31)}


def payloads(corpus: CorpusFolder, registry: Any, split: Any = None) -> list[Any]:
    return [sample.payload for sample in corpus.samples(registry.payload_format(corpus.modality), split)]


def test_the_whole_way(prepare: Any, write: Any, registry: Any, reporter: Any) -> None:
    files = {f"slow_waltz/{name}": text for name, text in MELODIES.items()}
    corpus = prepare(write(files))
    manifest = corpus.manifest
    assert manifest["kind"] == "corpus"
    assert corpus.modality == "melody"
    assert manifest["counts"]["items"] == 30
    # 13 is a note of three first lines and of one second line.
    assert manifest["counts"]["rejected"]["unlucky"] == 4
    assert manifest["counts"]["kept"] == 60 - sum(manifest["counts"]["rejected"].values()) == len(corpus)
    assert set(corpus.prompts) == {"slow waltz"}
    assert sorted(manifest["codecs"]) == ["melody", "text"]
    derived = [note for note in reporter.notes if "from the data" in note]
    assert derived == [f"melody.longest = {manifest['options']['melody.longest']} (from the data)"]
    layer = corpus.layer("payload", corpus.codec_hash("melody"))
    codec = corpus.codec("melody", registry)
    assert [t.tolist() for t in layer] == [t.tolist() for t in codec.encode(payloads(corpus, registry))]
    prompts = corpus.layer("prompt", corpus.codec_hash("text"))
    assert corpus.codec("text", registry).decode([prompts[0]]) == ["slow waltz"]
    assert manifest["tokens"] == layer.total
    corpus.verify()


def test_every_failure_is_one_rejection(prepare: Any, write: Any) -> None:
    bad = {
        "crash.mel": "CRASH",
        "memory.mel": "MEMORY",
        "polite.mel": "POLITE",
        "half.mel": "1 2 3\nCRASH\n4 5 6",
        "lines.mel": "7 8 9\nbroken\n666 1 1\n5\n0 0 0\n1 99 1",
        "nothing.mel": "",
        "encoding.mel": b"\xff\xfe\x00",
        "other.rhyme": "roses",
        "strange.xyz": "?",
        "noextension": "?",
    }
    corpus = prepare(write({**MELODIES, **bad}), modality="melody")
    counts = corpus.manifest["counts"]
    assert counts["items"] == 40
    assert counts["items_rejected"] == {"unreadable": 4, "unsupported": 2, "empty": 1, "other-modality": 1}
    assert counts["items_read"] == 32
    rows = {(row["item"], row["sample"]): row for row in corpus.verdicts()}
    assert len(rows) == counts["items"] + counts["samples"]
    assert rows["crash.mel", None]["detail"] == "ValueError: bad notes"
    assert rows["memory.mel", None]["detail"] == "MemoryError"
    assert rows["polite.mel", None]["detail"] == "not a melody"
    assert rows["half.mel", None]["verdict"] == "read"
    assert rows["half.mel", 1]["reason"] == "unreadable"
    assert [(rows["lines.mel", i]["stage"], rows["lines.mel", i]["reason"]) for i in range(1, 6)] == [
        ("read", "unreadable"),
        ("clean", "unreadable"),
        ("filter:short", "short"),
        ("filter:silent", "silent"),
        ("filter:silent", "unreadable"),
    ]
    check_counts(counts)
    by_verdict = Counter((row["sample"] is None, row["verdict"]) for row in corpus.verdicts())
    assert by_verdict[False, "kept"] == counts["kept"]
    assert by_verdict[False, "rejected"] == sum(counts["rejected"].values())


@given(st.integers(0, 60), st.integers(1, 30))
def test_evenly_spaced_things_are_from_the_whole_range(length: int, count: int) -> None:
    chosen = list(evenly_spaced(range(length), count))
    assert len(chosen) == min(length, count)
    gaps = {after - before for before, after in pairwise([*chosen, length])}
    assert chosen[:1] == list(range(length))[:1]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_counts_that_do_not_add_up_are_noticed() -> None:
    good = {"items": 3, "items_read": 2, "items_rejected": {"a": 1}, "samples": 2, "kept": 1, "rejected": {"b": 1}}
    check_counts(good)
    for name in ("items", "samples"):
        with pytest.raises(AssertionError, match=f"{name} are not"):
            check_counts({**good, name: 4})


def test_a_plugin_that_lacks_something_is_no_unreadable_item(prepare: Any, write: Any) -> None:
    with pytest.raises(PluginError, match="install libmelody"):
        prepare(write({**MELODIES, "z.mel": "PLUGIN"}))


def test_duplicates_are_of_the_payload_whatever_its_prompt(prepare: Any, write: Any) -> None:
    corpus = prepare(write({"waltz/a.mel": "1 2 3", "polka/b.mel": "1  2 3", "polka/c.mel": "1 2 4"}))
    rows = [row for row in corpus.verdicts() if row["reason"] == "duplicate"]
    assert [(row["item"], row["duplicate_of"]) for row in rows] == [("waltz/a.mel", "polka/b.mel#0")]
    assert corpus.manifest["counts"]["rejected"] == {"duplicate": 1}
    assert rows[0]["sha256"] in {row["sha256"] for row in corpus.verdicts() if row["verdict"] == "kept"}


def test_the_codec_learns_from_the_training_part_alone(prepare: Any, write: Any, registry: Any) -> None:
    corpus = prepare(write({f"{i}.mel": f"{i} {1000 + i}" for i in range(1, 41) if i != 13}))
    training = {note for payload in payloads(corpus, registry, "train") for note in payload}
    held_out = {note for payload in payloads(corpus, registry, "validation") for note in payload}
    assert held_out
    assert not training & held_out
    assert set(corpus.codec("melody", registry).notes) == training
    assert corpus.manifest["codecs"]["melody"]["quality"]["held_out"] == len(held_out) / 2


def test_what_codecs_came_to_is_said_and_recorded(
    prepare: Any, write: Any, registry: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparer = registry.preparer_class("melody")
    by_counting, asked = preparer.fit_codec, []

    def by_steps(self: Any, samples: Any, held_out: Any, fit: Any) -> Any:
        for steps in (40, 2):
            assert fit("trainer", "data", steps=steps, batch_size=8) == "model"
        return by_counting(self, samples, held_out, fit)

    def fit(*given: Any, **settings: Any) -> str:
        asked.append((given, settings))
        return "model"

    monkeypatch.setattr(preparer, "fit_codec", by_steps)
    corpus = prepare(write({f"waltz/{name}": text for name, text in MELODIES.items()}), fit=fit)
    assert asked == [(("trainer", "data"), {"steps": steps, "batch_size": 8}) for steps in (40, 2)]
    codecs = corpus.manifest["codecs"]
    assert {modality: entry["steps"] for modality, entry in codecs.items()} == {"melody": 42, "text": 0}
    training = (corpus.splits == "train").sum()
    assert [note for note in reporter.notes if "codec of" in note] == [
        f"learning the codec of melody (training samples: {training})",
        f"codec of melody: fake-melody, {codecs['melody']['vocab_size']} ids, learned in 42 steps",
        f"learning the codec of text (prompts: {training})",
        f"codec of text: {codecs['text']['name']}, {codecs['text']['vocab_size']} ids",
    ]


def test_no_usable_sample_leaves_nothing(prepare: Any, write: Any, tmp_path: Path) -> None:
    source = write({"a.mel": "CRASH", "b.mel": "1", "c.xyz": ""})
    with pytest.raises(SourceError) as caught:
        prepare(source)
    for part in ("no usable melody sample", "unreadable (1)", "short (1)", "unsupported (1)"):
        assert part in str(caught.value)
    assert not (tmp_path / "corpus").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_failure_while_encoding_leaves_only_what_is_gone_on_with(
    prepare: Any, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(MELODIES)

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("weft.preparation.encode.save_codec", full)
    with pytest.raises(OSError, match="disk full"):
        prepare(source)
    assert not (tmp_path / "corpus").exists()
    assert [path.name for path in tmp_path.glob(".*")] == [".corpus.prepare.partial"]
    monkeypatch.undo()
    prepare(source)
    assert not list(tmp_path.glob(".*"))


def test_an_output_in_the_way_is_refused_before_anything_is_read(prepare: Any, write: Any) -> None:
    source = write({"stop.mel": "STOP"})
    out = write({"mine.txt": "mine"}, folder="corpus")
    with pytest.raises(FolderError, match="is not empty"):
        prepare(source)
    with pytest.raises(FolderError, match="Weft did not write"):
        prepare(source, force=True)
    with pytest.raises(FolderError, match="overlaps"):
        prepare(source, out="source/corpus")
    assert (out / "mine.txt").read_text() == "mine"


def test_force_replaces_a_corpus(prepare: Any, write: Any) -> None:
    source = write(MELODIES)
    first = prepare(source)
    write({"more.mel": "70 71 72"})
    assert prepare(source, force=True).sha256 != first.sha256


def test_the_same_sources_options_and_seed_give_the_same_corpus(prepare: Any, write: Any, tmp_path: Path) -> None:
    source = write(MELODIES)
    first = prepare(source)
    shutil.copytree(source, tmp_path / "elsewhere" / "other name")
    again = prepare(tmp_path / "elsewhere" / "other name", out="again")
    assert again.sha256 == first.sha256
    assert again.manifest["files"] == {
        **first.manifest["files"],
        "verdicts.parquet": again.manifest["files"]["verdicts.parquet"],
    }
    assert prepare(source, out="seed", seed=1).sha256 != first.sha256
    assert prepare(source, out="option", options={"melody.longest": "2"}).sha256 != first.sha256
    moved = prepare(source, out="place", options={"melody.shelf": "/attic"})
    assert moved.sha256 == first.sha256
    assert moved.manifest["options"]["melody.shelf"] == "/attic"


def test_options_are_checked(prepare: Any, write: Any, reporter: Any) -> None:
    source = write(MELODIES)
    with pytest.raises(OptionError, match=r"melody\.lnogest"):
        prepare(source, options={"melody.lnogest": "3"})
    corpus = prepare(source, options={"melody.longest": "2"})
    assert corpus.manifest["options"] == {
        "melody.longest": 2, "melody.shortest": 2, "melody.near": False, "melody.shared": False, "melody.shelf": "",
    }  # fmt: skip
    assert not [note for note in reporter.notes if "from the data" in note]


def test_an_unknown_modality(prepare: Any, write: Any) -> None:
    with pytest.raises(PluginError, match="did you mean 'melody'"):
        prepare(write(MELODIES), modality="melodie")


def test_a_corpus_can_be_copied(prepare: Any, write: Any, registry: Any, tmp_path: Path) -> None:
    corpus = prepare(write(MELODIES))
    before = payloads(corpus, registry)
    shutil.copytree(corpus.path, tmp_path / "copy")
    shutil.rmtree(corpus.path)
    copy = CorpusFolder.open(tmp_path / "copy")
    copy.verify()
    assert payloads(copy, registry) == before
    assert (copy.splits == "validation").sum() == copy.manifest["counts"]["validation"]


def test_payloads_are_read_by_index_from_any_row_group(prepare: Any, write: Any, registry: Any) -> None:
    lines = [f"{i} {i + 1}" for i in range(100, 400)]
    corpus = prepare(write({"long.mel": "\n".join(lines)}))
    samples = corpus.samples(registry.payload_format("melody"))
    for index in (299, 0, 64, 63, -1, 150):
        assert samples[index].payload == [int(word) for word in lines[index].split()]
    assert [s.payload for s in samples[62:66]] == [[int(w) for w in line.split()] for line in lines[62:66]]


def test_tables_describe_files(prepare: Any, write: Any, reporter: Any) -> None:
    source = write({
        "a.mel": "1 2", "sub/b.mel": "3 4", "c.mel": "5 6", "README.md": "", "LICENSE": "",
        "metadata.csv": "file_name,text,license\na.mel,\"a, quoted \n  caption\",CC0\nsub\\b.mel,b,\nabsent.mel,x,\n",
    })  # fmt: skip
    corpus = prepare(source)
    assert corpus.prompts == ["a, quoted caption", None, "b"]
    licenses = {row["item"]: row["license"] for row in corpus.verdicts() if row["sample"] is not None}
    assert licenses == {"a.mel": "CC0", "c.mel": None, "sub/b.mel": None}
    assert corpus.manifest["counts"]["table_rows"] == {"used": 2, "unmatched": 1, "repeated": 0, "broken": 0}
    assert (corpus.manifest["counts"]["auxiliary"], corpus.manifest["counts"]["items"]) == (2, 3)
    assert any("not there" in warning for warning in reporter.warnings)
    assert corpus.layer("prompt", corpus.codec_hash("text")).lengths.tolist()[1] == 0


def test_names_and_captions_that_utf8_cannot_hold(prepare: Any, write: Any) -> None:
    source = write({"🎵 ü.mel": "1 2", "c.mel": "3 4", "metadata.jsonl": '{"file_name": "c.mel", "text": "x\\ud800"}'})
    try:
        with open(bytes(source) + b"/\xff\xfe.mel", "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
            file.write(b"5 6")
    except OSError:
        pytest.skip("this file system takes no such names")
    corpus = prepare(source)
    kept = {row["item"] for row in corpus.verdicts() if row["verdict"] == "kept"}
    assert kept == {"🎵 ü.mel", "c.mel", "\\xff\\xfe.mel"}
    assert "x?" in corpus.prompts


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: (c / "payloads/00000.parquet").unlink(),
        lambda c: (c / "corpus.json").unlink(),
        lambda c: (c / "codecs/melody/notes.json").unlink(),
        lambda c: (c / "corpus.json").write_text("{"),
        lambda c: edit(c, schema=99),
        lambda c: edit(c, kind="run"),
        lambda c: edit(c, counts=None),
        lambda c: edit(c, codecs={}),
        lambda c: edit(c, codecs={"../melody": {"sha256": ""}}, modality="../melody"),
        lambda c: edit(c, files={"../outside": ""}),
    ],
)
def test_a_folder_that_is_not_whole_does_not_open(prepare: Any, write: Any, damage: Any) -> None:
    corpus = prepare(write(MELODIES))
    damage(corpus.path)
    with pytest.raises(FolderError):
        CorpusFolder.open(corpus.path)


@pytest.mark.parametrize("name", ["payloads/00000.parquet", "samples.parquet", "verdicts.parquet"])
def test_a_table_that_is_damaged_is_a_sentence(prepare: Any, write: Any, registry: Any, name: str) -> None:
    path = prepare(write(MELODIES)).path
    (path / name).write_bytes((path / name).read_bytes()[:-20])
    corpus = CorpusFolder.open(path)
    with pytest.raises(FolderError, match="damaged"):
        corpus.verify()
    with pytest.raises(FolderError, match=f"{name} is missing or damaged"):
        (payloads(corpus, registry), corpus.verdicts())


def test_a_file_that_changed_is_noticed(prepare: Any, write: Any) -> None:
    corpus = prepare(write(MELODIES))
    tokens = next(corpus.path.glob("tokens/payload-*/tokens.npy"))
    data = bytearray(tokens.read_bytes())
    data[-1] ^= 1
    tokens.write_bytes(data)
    with pytest.raises(FolderError, match=r"tokens\.npy is damaged"):
        corpus.verify()


def test_a_layer_that_is_not_there(prepare: Any, write: Any) -> None:
    corpus = prepare(write(MELODIES))
    with pytest.raises(FolderError, match="has no payload tokens of the codec abc"):
        corpus.layer("payload", "abc")
    with pytest.raises(FolderError, match="has no text codec"):
        corpus.codec_hash("text")


def test_splits_are_ready_for_training(prepare: Any, write: Any) -> None:
    corpus = prepare(write(MELODIES))
    held_out = np.asarray(corpus.splits) == "validation"
    assert held_out.dtype == bool
    assert held_out.sum() > 0
    assert (~held_out).sum() > held_out.sum()


def edit(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps({**manifest, **changes}))
