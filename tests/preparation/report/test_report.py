"""The page and the data card say what the verdicts say, safely, within bounds, and the same each time."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from weft.storage.corpus import CorpusFolder
from weft.storage.tables import ExampleRow

VOID = frozenset({"meta", "link", "br", "img"})
ATTACK = "<script>alert('x')</script>\"&"


class Page(HTMLParser):
    """What a page is made of; complains about tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, str] = {}
        self.text = ""
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        for tag, name in self._open:
            if tag == "section" and name:
                self.blocks[name] = f"{self.blocks.get(name, '')} {data}"

    def files(self) -> set[str]:
        return {str(attrs["src"]) for _, attrs in self.tags if attrs.get("src")}


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_every_count_of_the_page_is_that_of_the_verdicts(text_corpus: Path, changed: Any, report: Any) -> None:
    corpus = changed(text_corpus)
    page = Page(report(corpus))
    rows = corpus.verdicts()
    items, samples = ([row for row in rows if (row["sample"] is None) == is_item] for is_item in (True, False))
    way = squeezed(page.blocks["way"])
    assert f"items offered {len(items)}" in way
    assert f"samples in them {len(samples)}" in way
    for several in (items, samples):
        left = len(several)
        for stage in ("collect", "read", "clean", "filter:empty", "filter:binary", "store", "deduplicate"):
            reasons = Counter(r["reason"] for r in several if r["verdict"] == "rejected" and r["stage"] == stage)
            left -= sum(reasons.values())
            for reason, number in reasons.items():
                assert re.search(rf"{left} − {sum(reasons.values())}: .*?{reason} {number}", way), (stage, reason)
        passed = sum(row["verdict"] in ("read", "kept") for row in several)
        assert left == passed
        assert re.search(rf"(come through|kept) {passed} ", way)
    reasons = Counter((r["sample"] is None, r["reason"]) for r in rows if r["verdict"] == "rejected")
    turned_away = squeezed(page.blocks["reasons"])
    assert len(reasons) >= 4
    for (is_item, reason), number in reasons.items():
        what = ("item" if is_item else "sample") + ("" if number == 1 else "s")
        assert f"{reason} {number} {what} " in turned_away
    counts = corpus.manifest["counts"]
    assert f"{counts['validation']} of {counts['parts']} parts; {counts['train']} are trained on" in way
    assert f"{counts['auxiliary']} hidden, README" in way


def test_names_and_texts_cannot_break_out(text_corpus: Path, changed: Any, report: Any) -> None:
    def attack(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            if row["verdict"] == "rejected":
                row.update(detail=f"detail {ATTACK}", excerpt=f"excerpt {ATTACK}", stage=f"filter:{ATTACK}")
            row.update(license=f"license {ATTACK}", changes=[f"code {ATTACK}: {ATTACK}"], figures={ATTACK: 1.0})
        return rows

    corpus = changed(text_corpus, attack)
    text = report(corpus)
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base", "b i"} == set()
    assert [name for _, attrs in page.tags for name in attrs if name.startswith("on")] == []
    for expected in ("detail", "excerpt", "license", "code"):
        assert f"{expected} {ATTACK}" in page.text
    assert page.text.count(ATTACK) >= 6
    assert 'so"urce & <b>' in page.text
    assert "empty\\xff.txt" in text
    card = (corpus.path / "README.md").read_text(encoding="utf-8")
    outside_of_code = re.sub(r"(`+).*?\1", "", card.split("---\n", 2)[2], flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<script", outside_of_code)


def test_nothing_is_fetched_from_elsewhere(image_corpus: Path, changed: Any, report: Any) -> None:
    corpus = changed(image_corpus)
    page = Page(report(corpus))
    assert page.files()
    for name in page.files():
        assert (corpus.path / name).is_file()
    links = [str(attrs["href"]) for _, attrs in page.tags if "href" in attrs]
    assert [link for link in links if not link.startswith("#")] == []
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {link.removeprefix("#") for link in links} <= ids
    assert "url(" not in report(corpus)


def test_the_offending_part_of_a_text_is_marked(text_corpus: Path, changed: Any, report: Any) -> None:
    def reject(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            if (row["item"], row["sample"]) == ("text-02.txt", 0):
                row.update(verdict="rejected", stage="filter:harm", reason="harmful", split=None, excerpt="brown fox")
        return rows

    payload = b"before " * 200 + b"the Brown\n fox <b>" + b" after" * 200
    corpus = changed(text_corpus, reject, (ExampleRow("text-02.txt", 0, "harmful", payload),))
    text = report(corpus)
    assert re.search(r"before the <mark>Brown\n fox</mark> &lt;b&gt; after", text)
    assert text.count("before") < 60
    assert "… " in Page(text).text


def near_duplicates(count: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        template = next(row for row in rows if row["verdict"] == "kept")
        more = []
        for number in range(count):
            item = {**template, "item": f"more-{number:05d}.png", "split": None}
            more.append({**item, "sample": None, "verdict": "read", "stage": "read"})
            reason, of = [("near-duplicate", "noise/07.png#0"), ("blurred", None), ("excluded", "test/1.png#0")][
                number % 3
            ]
            figures = {"width": float(number), "blur": 0.5 + number % 7}
            sample = {"sample": 0, "verdict": "rejected", "reason": reason, "duplicate_of": of, "figures": figures}
            stage = "deduplicate" if of else "filter:blur"
            more.append({**item, **sample, "stage": stage})
        return rows + more

    return change


def examples_of(corpus: Path, count: int) -> tuple[ExampleRow, ...]:
    from weft.storage.payloads import PayloadStore

    folder = CorpusFolder.open(corpus)
    payload = PayloadStore(folder.payload_paths)[0]
    reasons = ("near-duplicate", "blurred", "excluded")
    return tuple(ExampleRow(f"more-{n:05d}.png", 0, reasons[n % 3], payload) for n in range(count))


@pytest.mark.parametrize("count", [9, 3000])
def test_the_page_does_not_grow_with_the_corpus(image_corpus: Path, changed: Any, report: Any, count: int) -> None:
    corpus = changed(image_corpus, near_duplicates(count), examples_of(image_corpus, 300))
    text = report(corpus)
    files = list((corpus.path / "report").iterdir())
    assert 10 < len(files) <= 60
    assert {f"report/{file.name}" for file in files} == Page(text).files()
    assert len(text) < 150_000


def test_duplicates_are_beside_what_stands_for_them(image_corpus: Path, changed: Any, report: Any) -> None:
    corpus = changed(image_corpus, near_duplicates(30), examples_of(image_corpus, 30))
    page = Page(report(corpus))
    duplicates = squeezed(page.blocks["duplicates"])
    assert duplicates.startswith("Duplicates 3 samples stand for others")
    assert "10 as near-duplicate" in duplicates
    assert "10 as excluded" in duplicates
    assert "1 as duplicate" in duplicates
    assert "noise/07.png stands for 10 kept noise noise/07.png near-duplicate more-00000.png" in duplicates
    assert "test/1.png stands for 10 It is not part of this corpus. elsewhere" in duplicates
    assert "and 0 more" not in duplicates


def test_histograms_keep_kept_and_rejected_apart(image_corpus: Path, changed: Any, report: Any) -> None:
    def measure(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        samples = [row for row in rows if row["sample"] is not None]
        for number, row in enumerate(samples):
            row["figures"] = {"side": float(number % 5), "always": 7.0, "odd": float("nan")}
        return rows

    corpus = changed(image_corpus, measure)
    text = report(corpus)
    rows = [row for row in corpus.verdicts() if row["sample"] is not None]
    for verdict in ("kept", "rejected"):
        drawn = sum(
            int(number) for number in re.findall(rf"<title>\d: .*?(\d+) {verdict}.*?</title></rect>", "\n".join(
                line for line in text.splitlines() if f'<rect class="{verdict}"' in line
            ))
        )  # fmt: skip
        assert drawn == sum(row["verdict"] == verdict for row in rows)
    assert "The same of every sample: always 7" in squeezed(Page(text).blocks["measured"])


def test_captions_tokens_and_round_trips_are_shown(image_corpus: Path, changed: Any, report: Any) -> None:
    corpus = changed(image_corpus)
    page = Page(report(corpus))
    captions = squeezed(page.blocks["captions"])
    kept = corpus.manifest["counts"]["kept"]
    assert f"{kept} of {kept} kept samples (100 %) have a caption or prompt, 1 of them different" in captions
    assert f"noise {kept} ×" in captions
    tokens = squeezed(page.blocks["tokens"])
    assert f"Tokens {corpus.manifest['tokens']:,} " in tokens
    assert "Held-out samples, and what their tokens decode to" in tokens
    assert tokens.count("original") == tokens.count("from its tokens") == 3
    vocabulary = corpus.manifest["codecs"]["image"]["vocab_size"]
    layer = corpus.layer("payload", corpus.codec_hash("image"))
    used = len({int(token) for ids in layer for token in ids})
    assert f"{used} of {vocabulary:,} ids" in tokens


def test_a_text_is_shown_cut_into_its_tokens(text_corpus: Path, changed: Any, report: Any) -> None:
    text = report(changed(text_corpus))
    pieces = [html.unescape("".join(re.findall(r"<span>(.*?)</span>", block, re.DOTALL)))
              for block in re.findall(r'<p class="pieces">(.*?)</p>', text, re.DOTALL)]  # fmt: skip
    assert len(pieces) == 3
    payloads = [row for row in Page(text).text.splitlines() if "gives back every character" in row]
    assert len(payloads) == 3
    assert all(piece.split()[0] in text for piece in pieces)


def test_the_same_corpus_gives_the_same_bytes(image_corpus: Path, changed: Any, report: Any) -> None:
    corpus = changed(image_corpus, near_duplicates(30), examples_of(image_corpus, 30))

    def written() -> dict[str, str]:
        report(corpus)
        derived = [corpus.path / "report.html", corpus.path / "README.md", *(corpus.path / "report").iterdir()]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in derived}

    first = written()
    (corpus.path / "report" / "left-over.png").touch()
    assert written() == first
    corpus.verify(skip=("verdicts.parquet", "examples.parquet"))


def test_the_card_is_a_dataset_card(image_corpus: Path, changed: Any, report: Any) -> None:
    def license(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = ["CC0 1.0", "Some | own\nwords", None]
        return [{**row, "license": names[number % 3]} for number, row in enumerate(rows)]

    corpus = changed(image_corpus, license)
    report(corpus)
    card = (corpus.path / "README.md").read_text(encoding="utf-8")
    _, head, body = card.split("---\n", 2)
    assert "license:\n- cc0-1.0\n- other\n- unknown\n" in head
    assert "modality:\n- image\n" in head
    assert "size_categories:\n- n<1K\n" in head
    for heading in ("Contents", "How it was made", "Counts", "Sources and licenses", "Known limits"):
        assert f"\n## {heading}\n" in body
    assert "codec_steps = 2" in body
    assert f"| samples kept | {corpus.manifest['counts']['kept']} |" in body
    assert "Some \\| own words" in body
    assert "docs/filters.md" in body
    tables = [line for line in body.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) >= 3 for line in tables)


def test_a_corpus_whose_codec_cannot_be_loaded_is_shown_without_it(
    text_corpus: Path, changed: Any, report: Any
) -> None:
    corpus = changed(text_corpus)
    for file in (corpus.path / "codecs" / "text").iterdir():
        file.write_text("{}")
    text = report(corpus)
    assert "Through the codec and back" not in text
    assert '<p class="failure">The codec' in text


def test_a_payload_that_its_plugin_cannot_show_costs_its_card_alone(
    image_corpus: Path, changed: Any, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise ZeroDivisionError("no <b>picture</b>")

    monkeypatch.setattr("weft_image.payload.ImageFormat.html", fail)
    page = Page(report(changed(image_corpus)))
    assert page.files() == set()
    assert page.text.count("It cannot be shown (ZeroDivisionError).") >= 4
