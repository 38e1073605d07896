"""The rules for web pages, languages, and that nothing of one's own is judged by them."""

from __future__ import annotations

import dataclasses
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.errors import OptionError
from weft.plugins.options import build_options
from weft_text.language import Language, language_codes
from weft_text.options import TextOptions
from weft_text.preparer import TextPreparer

SHARED = Path(__file__).parents[4] / "shared" / "data" / "text"

ARTICLE = (
    "The harbor of the town lies to the south of the old wall, and from the top of the tower you see both the water "
    "and the hills. In summer the boats come back before noon with whatever was caught in the night.\n"
    "People who have lived here all their lives say that nothing has changed but the price of bread. They may be "
    "right, for the market is still held on the square every Tuesday, with cheese, flowers and shoes.\n"
    "Whoever arrives by train should take the path along the river. It is longer, yet worth the walk!\n"
)


def verdict(text: str, **options: Any) -> tuple[weft.Sample[str], weft.Reason | None]:
    """What is left of a text, and why it is rejected, as core asks the filters."""
    preparer = TextPreparer(TextOptions(**{"quality": "web", **options}))
    sample = preparer.clean(weft.Sample(text))
    for each in preparer.filters():
        sample = dataclasses.replace(sample, figures={**sample.figures, **each.measure(sample)})
        answer = each.check(sample)
        if isinstance(answer, weft.Revised):
            sample = answer.sample
        elif answer is not None:
            return sample, answer
    return sample, None


BULLETS = "".join(f"- {sentence}.\n" for sentence in " ".join(ARTICLE.split()).split(". "))
NO_STOP_WORDS = (
    "Visit our harbor town today! Enjoy fresh fish, warm bread, local cheese, garden flowers, leather shoes. Cheap "
    "hotel rooms, free parking, sunny weather all year round. Book online before summer ends, save money every night. "
    "Great food, great wine, great music, friendly people, quiet streets, clean beaches, long walks, short queues. "
    "Call now, ask for Maria, she speaks English, French, Dutch.\n"
)


def test_an_article_passes_with_all_its_figures() -> None:
    sample, reason = verdict(ARTICLE)
    assert reason is None
    assert sample.payload == ARTICLE
    assert sample.figures["words"] == len(ARTICLE.split())
    assert sample.figures["sentences"] == 6
    assert sample.figures["ended_lines"] == 1
    assert sample.figures["repeated_5_words"] == 0
    assert sample.figures["stop_words"] == 8


@pytest.mark.parametrize(
    ("text", "code", "option", "excerpt"),
    [
        ("Too short to be of use to anybody.", "few-words", "min_words", ""),
        ("of the " + "a b c d e f g h i j " * 8, "short-words", "min_word_length", ""),
        (ARTICLE + "Abcdefghij" * 500, "long-words", "max_word_length", "Abcdefghij"),
        (ARTICLE + "2024: " * 60, "few-letters", "min_letter_words", ""),
        (ARTICLE + "#tag " * 60, "symbols", "max_symbols", ""),
        (ARTICLE.replace(". ", "...\n") + "and on...\n" * 4, "cut-lines", "max_ellipsis_lines", "The harbor"),
        (BULLETS, "bullets", "max_bullet_lines", "- The harbor"),
        (NO_STOP_WORDS, "stop-words", "min_stop_words", ""),
        (" ".join(ARTICLE.split()).replace(".", ",").replace("!", ","), "few-sentences", "min_sentences", ""),
        (ARTICLE.replace(". ", "\n").replace(".\n", "\n"), "few-sentences", "min_sentences", ""),
        (ARTICLE + "Home\nNews\nSport\nShop\nCart\nHelp\nLogin\nIndex\n", "list", "max_short_lines", "Home"),
        (ARTICLE + "Read what others say about this place.\n" * 4, "repetition", "max_repeated_lines", "Read what"),
        (ARTICLE + "buy it now " * 25, "repetition", "max_repetition", "buy it"),
    ],
)  # fmt: skip
def test_each_rule_rejects_what_it_is_about(text: str, code: str, option: str, excerpt: str) -> None:
    _, reason = verdict(text)
    assert reason is not None, code
    assert reason.code == code, reason
    assert f"text.{option}" in reason.detail
    assert reason.excerpt in text
    assert excerpt in reason.excerpt
    assert bool(excerpt) == bool(reason.excerpt)


def test_a_limit_is_an_option() -> None:
    assert verdict("Too short. To be of use. To anybody.", min_words=5)[1] is None
    assert verdict(ARTICLE + "Read what others say about this place.\n" * 4, max_repeated_lines=0.9, max_repetition=9,
                   max_repeated_chars=1.0)[1] is None  # fmt: skip


def test_placeholders_and_code_are_shown() -> None:
    _, reason = verdict(ARTICLE + "Lorem ipsum dolor sit amet.")
    assert reason == weft.Reason("placeholder", "it has the filler text of an unfinished page in it", "Lorem ipsum")
    _, reason = verdict(ARTICLE + "function go() { return 1 }")
    assert reason is not None
    assert reason.code == "code"
    assert "go() {" in reason.excerpt


def test_notices_are_taken_out_and_the_rest_is_kept() -> None:
    preparer = TextPreparer(TextOptions(quality="web"))
    notices = next(each for each in preparer.filters() if each.name == "notices")
    answer = notices.check(weft.Sample("We use cookies.\n" + ARTICLE + "Please enable JavaScript.", "p", {"words": 1}))
    assert isinstance(answer, weft.Revised)
    assert answer.sample == weft.Sample(ARTICLE.rstrip("\n"), "p", {"words": 1})
    assert answer.reason.code == "notices"
    assert answer.reason.excerpt == "We use cookies."
    assert "2 lines" in answer.reason.detail


def test_every_rule_names_its_source() -> None:
    rules = [each for each in TextPreparer(TextOptions(quality="web")).filters() if each.source]
    assert {each.source.split(" ")[0] for each in rules} == {"Gopher", "C4", "FineWeb"}
    assert len({each.name for each in rules}) == len(rules) == 8


def test_writing_without_spaces_is_not_judged_by_words() -> None:
    line = "港は古い城壁の南にあり、塔の上からは海と丘の両方が見える。夏には船が正午前に戻ってくる。"
    _, reason = verdict(line + "\n" + line[::-1] + "。\n市場は今も毎週火曜日に広場で開かれている。")
    assert reason is None


FOREIGN = {
    "nl": "De haven van de stad ligt ten zuiden van de oude muur, en van de toren ziet men het water.",
    "de": "Der Hafen der Stadt liegt im Süden der alten Mauer, und vom Turm aus sieht man das Wasser.",
    "fr": "Le port de la ville se trouve au sud du vieux mur, et du haut de la tour on voit la mer.",
    "ja": "港は古い城壁の南にあり、塔の上からは海と丘の両方が見える。",
    "ru": "Гавань города лежит к югу от старой стены, и с башни видна вода.",
}


def test_languages_are_told_apart() -> None:
    for code, text in FOREIGN.items():
        for wanted in ("en", *FOREIGN):
            _, reason = verdict(text, quality="off", languages=wanted)
            assert (reason is None) == (wanted == code), (wanted, code)
    _, reason = verdict(FOREIGN["nl"], quality="off", languages="en, de")
    assert reason is not None
    assert reason.code == "language"
    assert "'nl'" in reason.detail
    assert reason.excerpt in FOREIGN["nl"]
    assert verdict(FOREIGN["nl"], quality="off", languages="en, NL")[1] is None


@pytest.mark.parametrize("text", ["ok lol", "see u @ 8 :)", "12:30 - 14:30", "Brahms, op. 118", "haha noooo", "1 2 3"])
def test_a_few_words_are_given_the_benefit_of_the_doubt(text: str) -> None:
    assert verdict(text, quality="off", languages="en")[1] is None


def test_a_long_text_is_judged_by_its_beginning_middle_and_end() -> None:
    mixed = FOREIGN["nl"] + "\n" + ARTICLE * 40 + FOREIGN["nl"]
    assert verdict(mixed, quality="off", languages="en")[1] is None
    assert verdict(FOREIGN["nl"] * 400, quality="off", languages="en")[1] is not None


@pytest.mark.parametrize("setting", ["any", "auto", "none", "", "None"])
def test_any_language_is_welcome_by_default(setting: str) -> None:
    assert language_codes(setting) == ()
    filters = TextPreparer(TextOptions(languages=setting)).filters()
    assert not [each for each in filters if isinstance(each, Language)]


def test_an_unknown_language_is_refused_before_anything_is_read() -> None:
    with pytest.raises(weft.OptionError, match=r"'english', which is no code of a known language.*such as en,nl"):
        TextPreparer.resolve(TextOptions(languages="nl,english"), [])
    with pytest.raises(OptionError, match="one of off, web"):
        build_options("text", TextOptions, {"text.quality": "wep"})
    with pytest.raises(OptionError, match=r"max_words \(10\) is below text.min_words \(50\)"):
        build_options("text", TextOptions, {"text.max_words": "10"})


def _own_texts() -> Iterator[tuple[str, str]]:
    for path in [*sorted((SHARED / "books").glob("*.txt")), SHARED / "tinyshakespeare" / "input.txt"]:
        if path.is_file():
            yield path.name, path.read_text(encoding="utf-8")
    yield from _source_code("*.py")


def _source_code(pattern: str) -> Iterator[tuple[str, str]]:
    found = sorted(Path(sysconfig.get_paths()["stdlib"]).glob(pattern))
    yield from ((path.name, path.read_text(encoding="utf-8")) for path in found if path.stat().st_size)


def test_ones_own_files_pass_whole_by_default() -> None:
    preparer = TextPreparer(TextOptions())
    count = 0
    for name, text in _own_texts():
        sample = preparer.clean(weft.Sample(text))
        assert sample == weft.Sample(text), name
        assert [each.check(sample) for each in preparer.filters()] == [None] * 3, name
        count += 1
    assert count > 100
    assert preparer.boilerplate() is None


def test_a_folder_of_books_and_code_is_kept_whole(prepare_text: Any, text_registry: Any, tmp_path: Path) -> None:
    if not (SHARED / "books").is_dir():
        pytest.skip("the folder of books is not there")
    source = tmp_path / "source"
    source.mkdir()
    own = [*list(_own_texts())[:3], *_source_code("*.py"), *_source_code("asyncio/*.py")]
    texts = list(dict.fromkeys(text for _, text in own))
    for number, text in enumerate(texts):
        (source / f"{number}.txt").write_text(text, encoding="utf-8")
    corpus = prepare_text(source, vocab_size=300, near=0)
    assert corpus.manifest["counts"]["kept"] == len(texts)
    stored = [sample.payload for sample in corpus.samples(text_registry.payload_format("text"))]
    assert sorted(stored) == sorted(texts)


def test_the_web_preset_is_reached_from_options(prepare_text: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    lines = [{"text": ARTICLE.replace("harbor", word)} for word in ("harbor", "station")] + [{"text": "Home | News"}]
    (source / "pages.jsonl").write_text("\n".join(map(json.dumps, lines)))
    corpus = prepare_text(source, quality="web", near=0)
    assert corpus.manifest["counts"]["rejected"] == {"few-words": 1}
