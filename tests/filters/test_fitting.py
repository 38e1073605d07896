"""Filters that are fitted on labelled texts: what they learn, how sure they are, and their files."""

from __future__ import annotations

import csv
import functools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.filters import TextFilter, TextScreen, fit_filter, read_labelled

SHARED = Path(__file__).parents[3] / "shared" / "data" / "text"
PLANTS = ["rose", "tulip", "oak", "fern", "moss", "orchid", "daisy", "willow", "ivy", "clover"]
MACHINES = ["engine", "piston", "lathe", "turbine", "gear", "valve", "crane", "drill", "motor", "pump"]
FILLERS = ["the", "a", "of", "and", "in", "was", "seen", "near", "very", "old", "new", "some", "that", "with", "from"]
FILLERS += ["under", "green", "loud", "small"]


def sentence(topic: list[str], draw: random.Random) -> str:
    return " ".join(draw.choices(FILLERS, k=8) + draw.choices(topic, k=3) + draw.choices(FILLERS, k=3))


def garden(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences on plants, to be kept, and on machines, to be dropped."""
    draw = random.Random(seed)
    return [
        (sentence(PLANTS if index % 2 else MACHINES, draw), "plants" if index % 2 else "machines")
        for index in range(count)
    ]


def write_csv(path: Path, rows: list[tuple[str, str]], head: tuple[str, str] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([head, *rows])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("labels") / "garden.csv", garden(400))


@pytest.fixture(scope="module")
def fitted(table: Path) -> TextFilter:
    return fit_filter(table, drop=["machines"])


def test_it_learns_what_a_text_is_about(fitted: TextFilter) -> None:
    new = garden(200, seed=1)
    assert sum(fitted.drops(text) for text, label in new if label == "machines") >= 95
    assert not [text for text, label in new if label == "plants" and fitted.drops(text)]
    assert fitted.facts.drop == ["machines"]
    assert fitted.facts.keep == ["plants"]


def test_it_says_how_sure_and_why(fitted: TextFilter) -> None:
    text = "some very old turbine was seen near the pump"
    assert fitted.drops(text)
    assert fitted.probability(text) > 0.5
    assert fitted.most_telling(text) in {"turbine", "pump"}
    assert not fitted.drops("")
    assert not fitted.drops(" \n")


def test_other_forms_of_a_word_are_known(fitted: TextFilter) -> None:
    assert fitted.score("turbines and engines and motors") > fitted.score("roses and tulips and willows")


def test_what_is_of_another_kind_is_kept(fitted: TextFilter) -> None:
    others = [
        "Quarterly results were better than forecast.",
        "Das Wetter ist heute schön.",
        "これは日本語の文章です",
        "42",
    ]
    assert not [text for text in others if fitted.drops(text)]


def test_the_report_is_measured_on_held_out_texts(fitted: TextFilter) -> None:
    report = fitted.facts.report
    assert report.texts == 400
    assert report.drop == 200
    assert report.held_out == 80
    assert report.precision >= 0.95
    assert report.recall >= 0.9
    assert set(report.telling[:5]) <= set(MACHINES)


def test_labels_by_chance_have_no_precise_threshold(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [(sentence(PLANTS, draw), draw.choice(["good", "bad"])) for _ in range(300)]
    with pytest.raises(weft.OptionError, match="no threshold drops with precision"):
        fit_filter(write_csv(tmp_path / "chance.csv", rows))


def test_the_report_tells_of_a_label_that_is_wrong(tmp_path: Path) -> None:
    rows = garden(400)
    wrong = [(text, "plants") for text, label in rows[:60] if label == "machines"]
    kept = fit_filter(write_csv(tmp_path / "noisy.csv", [*wrong, *rows[60:]]), drop=["machines"], precision=0.8)
    assert kept.facts.report.precision < 1
    assert kept.facts.report.wrongly_dropped
    assert all(each.label == "plants" for each in kept.facts.report.wrongly_dropped)


def test_less_precision_drops_no_less(tmp_path: Path) -> None:
    draw = random.Random(5)
    mixed = [(sentence([*PLANTS[:4], *MACHINES[:2]], draw), "plants") for _ in range(100)]
    path = write_csv(tmp_path / "mixed.csv", [*garden(300), *mixed])
    strict, lax = (fit_filter(path, drop=["machines"], precision=share) for share in (0.99, 0.8))
    assert strict.facts.threshold >= lax.facts.threshold


def test_repeated_and_contradicting_rows(tmp_path: Path) -> None:
    rows = garden(100)
    path = write_csv(
        tmp_path / "rows.csv", [*rows, *rows[:10], (rows[20][0].upper(), "plants"), ("an oak", "machines")]
    )
    report = fit_filter(path, drop=["machines"], precision=0.6).facts.report
    assert report.repeated == 10
    assert report.contradicting == 2
    assert report.texts == 100


def test_background_is_learned_as_what_to_keep(table: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("\n\n".join(f"engine number {word} of the museum" for word in FILLERS * 10))
    plain = fit_filter(table, drop=["machines"])
    aware = fit_filter(table, drop=["machines"], background=[tmp_path / "own.txt"])
    line = "engine number seven of the museum"
    assert aware.score(line) - aware.facts.threshold < plain.score(line) - plain.facts.threshold
    assert not aware.drops(line)
    # With "of" and with "the" the line has the same words.
    assert aware.facts.report.background == len(set(FILLERS)) - 1
    assert aware.facts.keep == ["plants"]


def test_equal_labels_give_equal_files_in_any_order(table: Path, tmp_path: Path) -> None:
    rows = garden(400)
    random.Random(2).shuffle(rows)
    first, second = tmp_path / "a.filter", tmp_path / "b.filter"
    fit_filter(table, first, drop=["machines"], name="same")
    fit_filter(write_csv(tmp_path / "shuffled.csv", rows), second, drop=["machines"], name="same")
    assert first.read_bytes() == second.read_bytes()


@pytest.fixture(scope="module")
def saved(fitted: TextFilter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filters") / "garden.filter"
    fitted.save(path)
    return path


@functools.cache
def loaded_once(path: Path) -> TextFilter:
    return TextFilter.load(path)


@settings(max_examples=50, deadline=None)
@given(text=st.text() | st.lists(st.sampled_from([*PLANTS, *MACHINES, *FILLERS])).map(" ".join))
def test_a_loaded_filter_is_the_same(text: str, fitted: TextFilter, saved: Path) -> None:
    loaded = loaded_once(saved)
    assert loaded.score(text) == fitted.score(text)
    assert loaded.facts == fitted.facts
    assert loaded.sha256 == fitted.sha256


def damaged(data: bytes, kind: str) -> bytes:
    size = 8 + int.from_bytes(data[:8], "little")
    if kind == "cut":
        return data[: len(data) // 2]
    if kind == "bits":
        return data[:size] + bytes([data[size] ^ 1]) + data[size + 1 :]
    header = json.loads(data[8:size])
    manifest = json.loads(header["__metadata__"]["weft"])
    if kind == "newer":
        manifest["schema"] = 99
    elif kind == "field":
        manifest["facts"]["bias"] = "much"
    elif kind == "threshold":
        manifest["facts"]["threshold"] -= 1
    else:
        manifest["kind"] = "cat"
    header["__metadata__"]["weft"] = json.dumps(manifest)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[size:]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "is no filter of texts"),
        ("bits", "checksum differs"),
        ("threshold", "checksum differs"),
        ("newer", "written by a newer Weft"),
        ("field", "is damaged: bias"),
        ("kind", "is no filter of texts"),
    ],
)
def test_a_damaged_filter_gets_a_sentence(kind: str, message: str, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.filter"
    path.write_bytes(damaged(saved.read_bytes(), kind))
    with pytest.raises(weft.FolderError, match=message):
        TextFilter.load(path)


def test_a_filter_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError, match="make one with `weft fit-filter`"):
        TextFilter.load(tmp_path / "none.filter")
    (tmp_path / "text.filter").write_text("fuck")
    with pytest.raises(weft.FolderError, match="is no filter of texts"):
        TextScreen(filters=[tmp_path / "text.filter"])


def test_the_screen_leaves_out_what_the_filter_drops(saved: Path) -> None:
    screen = TextScreen(filters=[saved])
    lines = ["a rose near the oak", "the fern was green", "an engine with a piston and a valve", "some ivy"]
    answer = screen.check(weft.Sample("\n".join(lines)))
    assert isinstance(answer, weft.Revised | weft.Reason)
    reason = answer.reason if isinstance(answer, weft.Revised) else answer
    assert reason.code == "filter-garden"
    assert "engine" in reason.excerpt or "piston" in reason.excerpt or "valve" in reason.excerpt


def test_a_filter_of_documents_judges_them_whole(table: Path, tmp_path: Path) -> None:
    fit_filter(table, tmp_path / "topic.filter", drop=["machines"], unit="document")
    screen = TextScreen(filters=[tmp_path / "topic.filter"])
    off_topic = "the old engine\nwith a piston\nand a turbine\nfrom the crane"
    rejected = screen.check(weft.Sample(off_topic))
    assert isinstance(rejected, weft.Reason)
    assert rejected.code == "filter-topic"
    assert screen.check(weft.Sample("the old oak\nwith a fern\nand a rose\nand a lathe")) is None
    assert isinstance(screen.check(weft.Sample(object(), "engine, piston, turbine")), weft.Reason)


@pytest.mark.parametrize("labels", [("1", "0"), ("spam", "ham"), ("toxic", "fine words"), ("True", "False")])
def test_two_known_labels_are_told_apart(labels: tuple[str, str], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "labels.tsv", [("a b", labels[0]), ("c d", labels[1])], ("tweet", "class"))
    assert [(each.text, each.drop) for each in read_labelled(path)] == [("a b", True), ("c d", False)]


def test_a_column_called_keep_is_turned(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "labels.csv", [("a b", "1"), ("c d", "0")], ("text", "keep"))
    assert [each.drop for each in read_labelled(path)] == [False, True]


def test_columns_are_found_by_what_is_in_them(tmp_path: Path) -> None:
    rows = [{"id": index, "words": f"a long text number {index}", "mark": index % 2} for index in range(40)]
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_labelled(path)
    assert found[1].text == "a long text number 1"
    assert [each.drop for each in found[:2]] == [False, True]


def test_labels_may_be_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "labels.csv", [("a", "red"), ("b", "blue"), ("c", "green")])
    assert [each.drop for each in read_labelled(path, drop=["red"])] == [True, False, False]
    assert [each.drop for each in read_labelled(path, keep=["red"])] == [False, True, True]
    assert [each.text for each in read_labelled(path, drop=["red"], keep=["blue"])] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.csv", "text,label\na,red\nb,blue\n", {}, "cannot be told from 'blue', 'red'"),
        ("a.csv", "text,label\na,red\nb,red\n", {}, "has one label only, 'red'"),
        ("a.csv", "text,label\na,red\nb,blue\n", {"drop": ["gren"]}, "no row has the label 'gren'"),
        ("a.csv", "text,label\na,red\nb,blue\n", {"drop": ["red"], "keep": ["red"]}, "both dropped and kept"),
        ("a.csv", "text,label\na,red\n", {"text_column": "body"}, "has no column 'body'; it has 'label', 'text'"),
        ("a.csv", "text,label\n", {}, "has no rows"),
        ("a.csv", "", {}, "has no rows"),
        ("a.csv", "1,2\n3,4\n", {}, "no column looks like texts"),
        ("a.csv", "text,x\na b,1\nc d,1\n", {}, "no column looks like labels"),
        ("a.jsonl", '{"text": "a"\n', {}, "line 1, is not JSON"),
        ("a.jsonl", "[1]\n", {}, "line 1, is no object"),
        ("a.xlsx", "", {}, "is no table of labels"),
        ("a.csv", "text,label\n" + "x" * 200_000 + ",1\n", {}, "is no valid row"),
    ],
)
def test_a_table_that_cannot_be_used(
    name: str, text: str, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(weft.OptionError) as error:
        read_labelled(tmp_path / name, **options)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_too_few_texts_and_odd_precision(table: Path, tmp_path: Path) -> None:
    few = write_csv(tmp_path / "few.csv", garden(30))
    with pytest.raises(weft.OptionError, match="has 15 different texts to drop, and 20 of each side"):
        fit_filter(few, drop=["machines"])
    with pytest.raises(weft.OptionError, match=r"a share from 0\.5"):
        fit_filter(table, drop=["machines"], precision=1.5)
    with pytest.raises(weft.OptionError, match=r"the background .* cannot be read"):
        fit_filter(table, drop=["machines"], background=[tmp_path / "none.txt"])


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not here")
def test_spam_is_told_from_messages(tmp_path: Path) -> None:
    report = fit_filter(SHARED / "messy_web" / "sms_spam.csv").facts.report
    assert report.precision >= 0.95
    assert report.recall >= 0.85
