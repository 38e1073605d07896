"""However the work is done, by however many processes, with whatever happens to them: the same corpus."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from weft.errors import FolderError, OptionError
from weft.interfaces.progress import Silent
from weft.interfaces.source import Source
from weft.preparation.blocks import BlockStore
from weft.preparation.engines.local import LocalEngine
from weft.preparation.engines.work import Work
from weft.preparation.pipeline import PrepareRequest, prepare_corpus
from weft.storage.corpus import CorpusFolder

MANY = {
    f"{'waltz' if i % 3 else 'polka'}/{i:04d}.mel": f"{i} {i * 7 % 50} {i * 3 % 40 + 1}\n{i % 9 + 1} {i}\n"
    for i in range(400)
}
SAD = {"a/die.mel": "1 2\nDIE\n", "b/odd.mel": "x y\n", "c/zero.mel": "0 0 0\n", "d/none.mel": ""}


def verdicts(corpus: CorpusFolder) -> list[dict[str, Any]]:
    return corpus.verdicts()


def test_the_number_of_processes_makes_no_difference(prepare: Any, write: Any) -> None:
    source = write({**MANY, **SAD})
    one, three = (prepare(source, out=f"by-{count}", processes=count) for count in (1, 3))
    assert one.sha256 == three.sha256
    assert one.manifest["files"] == three.manifest["files"]
    assert verdicts(one) == verdicts(three)


def test_an_item_that_ends_its_process_costs_itself_alone(prepare: Any, write: Any) -> None:
    corpus = prepare(write({**MANY, "waltz/0100b.mel": "1 2\nDIE\n", "waltz/0350b.mel": "DIE\n"}), processes=2)
    rejected = [row for row in verdicts(corpus) if row["sample"] is None and row["verdict"] == "rejected"]
    assert [(row["item"], row["reason"]) for row in rejected] == [
        ("waltz/0100b.mel", "crashed"), ("waltz/0350b.mel", "crashed"),
    ]  # fmt: skip
    assert "exit code 7" in rejected[0]["detail"]
    undisturbed = prepare(write(MANY, "again"), out="undisturbed")
    assert corpus.manifest["counts"]["kept"] == undisturbed.manifest["counts"]["kept"]


def test_an_item_that_never_ends_is_given_up(prepare: Any, write: Any) -> None:
    corpus = prepare(write({"a.mel": "1 2 3\n", "b.mel": "1 2\nHANG\n", "c.mel": "4 5 6\n"}), item_seconds=1)
    assert {row["item"]: row["reason"] for row in verdicts(corpus) if row["sample"] is None} == {
        "a.mel": None, "b.mel": "timed-out", "c.mel": None,
    }  # fmt: skip


def test_portions_of_a_file_are_one_item(prepare: Any, write: Any) -> None:
    lines = [f"{i} {i + 1} {i * 5 % 23 + 1}" for i in range(1, 31)]
    whole = "\n".join(lines) + "\n"
    cut = "\n".join([*lines[:7], "==", *lines[7:8], "==", "==", *lines[8:], ""])
    one, several = prepare(write({"long.mel": whole})), prepare(write({"long.mel": cut}, "portions"), out="cut")
    assert [{**row, "source": ""} for row in verdicts(one)] == [{**row, "source": ""} for row in verdicts(several)]
    assert [part.sample for part in several.part_rows()] == [part.sample for part in one.part_rows()]
    assert one.manifest["counts"]["samples"] == 30


def test_a_portion_that_is_lost_costs_one_sample(prepare: Any, write: Any) -> None:
    corpus = prepare(write({"long.mel": "CRASH\n==\n1 2\n3 4\n==\nDIE\n==\nbroken\n5 6\n", "other.mel": "7 8\n"}))
    rows = [(row["sample"], row["verdict"], row["reason"]) for row in verdicts(corpus) if row["item"] == "long.mel"]
    assert rows == [
        (None, "read", None), (0, "rejected", "unreadable"), (1, "kept", None), (2, "kept", None),
        (3, "rejected", "crashed"), (4, "rejected", "unreadable"), (5, "kept", None),
    ]  # fmt: skip
    assert [part.sample for part in corpus.part_rows() if part.item == "long.mel"] == [1, 2, 5]


def test_an_item_of_which_no_portion_can_be_read(prepare: Any, write: Any) -> None:
    corpus = prepare(write({"long.mel": "==\nCRASH\n==\nCRASH\n", "other.mel": "7 8\n9 9\n"}))
    rows = [(row["sample"], row["verdict"], row["reason"]) for row in verdicts(corpus) if row["item"] == "long.mel"]
    assert rows == [(None, "rejected", "unreadable")]


WORKPLACE = ".corpus.prepare.partial"


class Interrupted(BaseException):
    """As an interrupt, or a kill: nothing catches it."""


def interrupted(*_: Any) -> None:
    raise Interrupted


class Dying(LocalEngine):
    """Is interrupted after some blocks."""

    def __init__(self, after: int, *rest: Any) -> None:
        super().__init__(*rest)
        self._after = after

    def examine(self, *given: Any) -> Iterator[tuple[int, int]]:
        for done, outcome in enumerate(super().examine(*given), 1):
            yield outcome
            if done == self._after:
                raise Interrupted


@pytest.mark.parametrize("after", [1, 3])
def test_what_was_done_is_not_done_again(
    prepare: Any, write: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    source = write({**MANY, **SAD})
    whole = prepare(source, out="whole")
    monkeypatch.setattr("weft.preparation.pipeline.LocalEngine", partial(Dying, after))
    with pytest.raises(Interrupted):
        prepare(source)
    assert not (tmp_path / "corpus").exists()
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / WORKPLACE).glob("blocks-*/?????")}
    assert len(done) >= after
    monkeypatch.setattr("weft.preparation.pipeline.decide", interrupted)
    with pytest.raises(Interrupted):
        prepare(source)
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / WORKPLACE).glob("blocks-*/?????")}
    assert again.items() > done.items()
    monkeypatch.undo()
    resumed = prepare(source)
    assert any("going on with what was done before" in note for note in reporter.notes)
    assert resumed.sha256 == whole.sha256
    assert resumed.manifest["files"] == whole.manifest["files"]
    assert not list(tmp_path.glob(".*"))


def test_another_plan_begins_anew(prepare: Any, write: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(MANY)

    monkeypatch.setattr("weft.preparation.pipeline.decide", interrupted)
    with pytest.raises(Interrupted):
        prepare(source)
    monkeypatch.undo()
    corpus = prepare(source, options={"melody.longest": 2})
    assert not any("going on" in note for note in reporter.notes)
    assert corpus.manifest["options"]["melody.longest"] == 2


def test_two_at_once_are_refused(prepare: Any, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(MANY)

    def second(*_: Any) -> None:
        prepare(source)

    monkeypatch.setattr("weft.preparation.pipeline.decide", second)
    with pytest.raises(FolderError, match="another process is preparing"):
        prepare(source)


class TestAppend:
    def test_what_is_new_is_added(self, prepare: Any, write: Any, reporter: Any) -> None:
        source = write(MANY)
        old = prepare(source)
        before = {name: (old.path / name).read_bytes() for name in old.manifest["payloads"]}
        tokens = [list(tokens) for tokens in old.layer("payload", old.codec_hash("melody"))]
        write({"march/new.mel": "9 8 7\n1 1 2\n", "march/sad.mel": "CRASH\n"})
        new = prepare(source, append=True)
        assert any("in the corpus already" in note and "400" in note for note in reporter.notes)
        assert all((new.path / name).read_bytes() == data for name, data in before.items())
        layer = new.layer("payload", new.codec_hash("melody"))
        assert [list(tokens) for tokens in layer][: len(tokens)] == tokens
        assert len(layer) == len(new) == len(old) + 2
        assert new.codec_hash("melody") == old.codec_hash("melody")
        assert new.sha256 != old.sha256
        counts = Counter((row["sample"] is None, row["verdict"]) for row in verdicts(new))
        assert counts[True, "read"] == 401
        assert counts[True, "rejected"] == 1
        assert new.manifest["counts"]["items"] == 402
        new.verify()

    def test_what_is_there_already_is_a_duplicate(self, prepare: Any, write: Any) -> None:
        prepare(write({"one.mel": "1 2 3\n4 5 6\n"}))
        new = prepare(write({"two.mel": "4 5 6\n7 8 9\n"}, "more"), append=True)
        (row,) = [row for row in verdicts(new) if row["verdict"] == "rejected"]
        assert (row["item"], row["sample"], row["reason"], row["duplicate_of"]) == (
            "two.mel",
            0,
            "duplicate",
            "one.mel#1",
        )
        assert [source.location.rpartition("/")[2] for source in new.sources] == ["source", "more"]
        assert [part.source for part in new.part_rows()] == [0, 0, 1]

    def test_other_options_are_refused(self, prepare: Any, write: Any) -> None:
        prepare(write({"one.mel": "1 2 3\n4 5 6\n"}))
        with pytest.raises(Exception, match=r"was prepared with melody\.longest = 12"):
            prepare(write({"two.mel": "7 8\n"}, "more"), append=True, options={"melody.longest": 5})

    def test_nothing_new_is_said(self, prepare: Any, write: Any, reporter: Any) -> None:
        source = write({"one.mel": "1 2 3\n4 5 6\n"})
        first = prepare(source)
        again = prepare(source, append=True)
        assert any("nothing new" in note for note in reporter.notes)
        assert again.manifest == first.manifest

    def test_there_has_to_be_a_corpus(self, prepare: Any, write: Any) -> None:
        with pytest.raises(FolderError, match="no corpus that can be added to"):
            prepare(write({"one.mel": "1 2 3\n"}), append=True)


class TestExclude:
    def test_nothing_of_another_corpus_comes_in(self, prepare: Any, write: Any, tmp_path: Path) -> None:
        prepare(write({"test.mel": "1 2 3\n5 5 5\n"}, "test"), out="test-corpus")
        options = {"melody.near": True}
        corpus = prepare(
            write({"a.mel": "1 2 4\n8 9 10\n5 5 5\n"}), exclude=[tmp_path / "test-corpus"], options=options
        )
        found = {
            row["sample"]: (row["reason"], row["duplicate_of"]) for row in verdicts(corpus) if row["sample"] is not None
        }
        assert found == {
            0: ("excluded", "test-corpus:test.mel#0"), 1: (None, None), 2: ("excluded", "test-corpus:test.mel#1"),
        }  # fmt: skip

    def test_another_modality_cannot_be_excluded(self, prepare: Any, write: Any, tmp_path: Path) -> None:
        prepare(write({"test.rhyme": "a|b\n"}, "test"), out="rhymes")
        with pytest.raises(Exception, match="is a corpus of rhyme"):
            prepare(write({"a.mel": "1 2\n"}), exclude=[tmp_path / "rhymes"])


def test_the_codec_of_another_corpus(prepare: Any, write: Any, tmp_path: Path) -> None:
    first = prepare(write({"a.mel": "1 2 3\n4 5 6\n"}), options={"melody.longest": 3})
    second = prepare(write({"b.mel": "1 2 9 1\n6 5\n"}, "other"), out="second", codec=tmp_path / "corpus")
    assert second.codec_hash("melody") == first.codec_hash("melody")
    assert second.manifest["codecs"] == first.manifest["codecs"]
    assert second.manifest["options"]["melody.longest"] == 3
    assert [len(tokens) for tokens in second.layer("payload", first.codec_hash("melody"))] == [3, 2]


class TestNear:
    def test_the_best_is_kept_and_each_is_like_it(self, prepare: Any, write: Any) -> None:
        # 1 2 3 and 3 4 5 are linked by 2 3 4, which is like both.
        lines = "1 2 3\n2 2 4\n3 2 5\n"
        corpus = prepare(write({"a.mel": lines}), options={"melody.near": True})
        rows = [(row["sample"], row["verdict"], row["duplicate_of"]) for row in verdicts(corpus)]
        assert rows == [(None, "read", None), (0, "kept", None), (1, "rejected", "a.mel#0"), (2, "kept", None)]

    def test_the_rank_decides_before_the_order(self, prepare: Any, write: Any) -> None:
        options = {"melody.near": True, "melody.longest": 2}
        corpus = prepare(write({"a.mel": "1 2\n", "b.mel": "1 3 9\n", "c.mel": "1 3 8 7\n"}), options=options)
        kept = [row["item"] for row in verdicts(corpus) if row["verdict"] == "kept"]
        assert kept == ["c.mel"]
        reasons = {row["item"]: row["reason"] for row in verdicts(corpus) if row["sample"] is not None}
        assert reasons == {"a.mel": "near-duplicate", "b.mel": "duplicate", "c.mel": None}

    def test_figures_are_kept(self, prepare: Any, write: Any) -> None:
        corpus = prepare(write({"a.mel": "1 2 3\n4\n"}))
        figures = [dict(row["figures"]) for row in verdicts(corpus) if row["sample"] is not None]
        assert figures == [{"notes": 3.0, "cleaned": 1.0}, {"notes": 1.0}]


def test_parts_that_many_share_are_left_out(prepare: Any, write: Any) -> None:
    source = write({"a.mel": "7 1 2\n7 3 4\n7 5 6\n8 9\n7\n"})
    corpus = prepare(source, options={"melody.shared": True, "melody.shortest": 1})
    rows = {row["sample"]: row for row in verdicts(corpus) if row["sample"] is not None}
    assert {index: row["verdict"] for index, row in rows.items()} == {
        0: "kept", 1: "kept", 2: "kept", 3: "kept", 4: "rejected",
    }  # fmt: skip
    assert rows[0]["changes"] == ["boilerplate: parts that many samples share are left out"]
    assert rows[3]["changes"] == []
    assert rows[4]["stage"] == "filter:silent"


def test_examples_of_every_reason_are_kept(prepare: Any, write: Any) -> None:
    lines = ["0 0", "1 2", "1 2", "13 1", *(f"{i}" for i in range(1, 12))]
    corpus = prepare(write({"a.mel": "\n".join(lines)}))
    examples = corpus.examples()
    assert Counter(row["reason"] for row in examples) == {"silent": 1, "duplicate": 1, "unlucky": 1, "short": 6}
    (duplicate,) = [row for row in examples if row["reason"] == "duplicate"]
    assert json.loads(duplicate["payload"]) == [1, 2]
    assert duplicate["sample"] == 2


def test_an_error_that_the_user_can_mend_comes_out_of_a_worker(prepare: Any, write: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="install libmelody"):
        prepare(write({**MANY, "x.mel": "PLUGIN\n"}), processes=2)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("word", ["STOP", "EXIT"])
def test_what_ends_a_process_ends_no_preparation(prepare: Any, write: Any, word: str) -> None:
    corpus = prepare(write({"a.mel": "1 2 3\n", "b.mel": f"1 2\n{word}\n", "c.mel": "4 5 6\n"}))
    assert {row["item"]: row["reason"] for row in verdicts(corpus) if row["sample"] is None} == {
        "a.mel": None, "b.mel": "crashed", "c.mel": None,
    }  # fmt: skip


def test_copies_do_not_make_a_text_boilerplate(prepare: Any, write: Any) -> None:
    corpus = prepare(
        write({"a.mel": "7 1 2\n" * 6 + "8 9\n5 6\n3 4\n"}), options={"melody.shared": True, "melody.shortest": 1}
    )
    assert corpus.manifest["counts"]["rejected"] == {"duplicate": 5}


def test_many_blocks_need_few_open_files(prepare: Any, write: Any) -> None:
    source = write({f"{i:05d}.mel": f"{i} {i % 7 + 1}\n" for i in range(3000)})
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 40, limits[1]))
    try:
        corpus = prepare(source)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert corpus.manifest["counts"]["items"] == 3000


def test_an_engine_that_there_is_not(prepare: Any, write: Any) -> None:
    with pytest.raises(OptionError, match="engine must be one of local, ray"):
        prepare(write({"a.mel": "1 2\n"}), engine="bogus")


class TestSources:
    def test_parts_and_weights_are_of_their_source(self, write: Any, tmp_path: Path, registry: Any) -> None:
        sources = [
            Source(str(write({f"{name}{i}.mel": f"{i} {at}\n" for i in range(1, 4)}, name)), weight=weight)
            for name, weight, at in (("zz", 5.0, 40), ("aa", 1.0, 41))
        ]
        corpus = prepare_corpus(PrepareRequest(sources, tmp_path / "c"), registry, None, Silent())  # type: ignore[arg-type]
        assert [source.weight for source in corpus.sources] == [5.0, 1.0]
        weights = {part.item[:2]: weight for part, weight in zip(corpus.part_rows(), corpus.weights, strict=True)}  # type: ignore[arg-type]
        assert weights == {"zz": 5.0, "aa": 1.0}

    def test_what_is_added_is_under_the_same_terms(self, prepare: Any, write: Any, tmp_path: Path) -> None:
        prepare(write({"t.mel": "1 1 1\n2 2 2\n"}, "test"), out="test-corpus")
        source = write({"a.mel": "3 4 5\n6 7 8\n"})
        prepare(source, exclude=[tmp_path / "test-corpus"], harm=False, seed=3)
        write({"b.mel": "1 1 1\n9 8 9\n"})
        corpus = prepare(source, append=True)
        assert corpus.manifest["excluded"] == [str(tmp_path / "test-corpus")]
        assert (corpus.manifest["screened"]["harm"], corpus.manifest["seed"]) == (False, 3)
        assert corpus.manifest["counts"]["rejected"] == {"excluded": 1}
        (source_entry,) = corpus.sources
        assert source_entry.items == corpus.manifest["counts"]["items"] == 2


def test_an_engine_with_nothing_to_do(tmp_path: Path) -> None:
    store = BlockStore(tmp_path, 0)
    assert list(LocalEngine(2, 1.0).examine(Work(None, []), store, [])) == []  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_cluster_gives_the_same_corpus(
    prepare: Any, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    # Workers of a cluster look for plugins themselves; those of a test are where only it knows.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")]))
    source = write({**MANY, **SAD, "waltz/0100b.mel": "1 2\nDIE\n"})
    here = prepare(source, out="here", processes=2)
    try:
        there = prepare(source, out="there", processes=2, engine="ray")
    finally:
        ray.shutdown()
    assert there.sha256 == here.sha256
    files = [{**corpus.manifest["files"], "verdicts.parquet": ""} for corpus in (here, there)]
    assert files[0] == files[1]
    differing = [(a, b) for a, b in zip(verdicts(here), verdicts(there), strict=True) if a != b]
    assert [(a["item"], a["reason"], b["reason"]) for a, b in differing] == [
        ("a/die.mel", "crashed", "crashed"), ("waltz/0100b.mel", "crashed", "crashed"),
    ]  # fmt: skip
