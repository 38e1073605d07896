"""The listed words: where they count, where they do not, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.filters import WordList
from weft.filters.spelling import fold, spellings

TEXTS = Path(__file__).parents[3] / "shared" / "data" / "text"

HARMLESS = [
    "Hoe gaat het met je?",
    "Ik weet niet hoe laat het is",
    "De hoes van de laptop is zwart",
    "The cock crowed three times before dawn.",
    "He pulled the cock of the pistol back.",
    "Scunthorpe and Penistone are towns.",
    "Dick Whittington and his cat",
    "My uncle Dick was a doctor in Essex, Sussex and Middlesex.",
    "Moby Dick",
    "a hoe, a rake and a spade",
    "Hoes and axes of the Bronze Age",
    "The bitch had a litter of five puppies.",
    "Blue tits and great tits at the bird feeder",
    "nor his ox, nor his ass",
    "Balaam rose and saddled his ass",
    "anal fissures and a prolapsed rectum",
    "The penis, the vagina, sexual intercourse and condoms",
    "magna cum laude",
    "smoked a fag behind the school",
    "flame retardant; this will retard the growth of the crop",
    "It should not retard it a single hour.",
    "a boy put his finger into the dyke",
    "pussy willow, pussy cat",
    "the Moro Islamic Liberation Front (MILF)",
    "a chink in the wall",
    "the Whore of Babylon",
    "assess, assassin, class, pass, assignment, cockpit, cocktail, Hancock, Dickens, shiitake, spices, snigger",
    "Jag läste boken från början till slut",
    "Das Eis ist dick",
    "kill the process, execute the script",
    "Sambucus nigra, spick and span, Gaylord, Alan Cumming",
    "the faggots of wood by the hearth",
    "Jews, Muslims and Christians; black and white; gay and straight",
    "damn, hell, bloody, crap",
    "sh!ort b*ld @assembly a55 road $hop",
]

HARMFUL = [
    "you are a fucking idiot",
    "what a SHIT day",
    "shit's broken",
    "motherfucker",
    "these hoes ain't loyal",
    "you dumb ass",
    "suck my dick",
    "that bitch is crazy",
    "he sucks cock",
    "fuck_you",
    "**bitch**",
    "“bitch”",
    "bitch\u2019s",
    "bitch😂😂you",
    "sh1t",
    "sh!t!",
    "f*ck this",
    "f**k this",
    "a$$hole",
    "fuuuuuck",
    "b1tches",
    "fück",
    "ｆｕｃｋ",
    "fu\u200bck",
    "go kill yourself",
    "go, kill  yourself",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines_are_left_alone(line: str) -> None:
    assert WordList.default().hits(line) == []


@pytest.mark.parametrize("line", HARMFUL)
def test_harmful_lines_are_found_by_both_looks(line: str) -> None:
    hits = WordList.default().hits(line)
    assert hits
    assert WordList.default().may_hit(f"one line\n{line}\nand another")
    assert all(0 <= hit.start < hit.end <= len(line) and hit.group for hit in hits)


def test_a_hit_says_where_it_is() -> None:
    line = "Oh, what a load of shit it is"
    (hit,) = WordList.default().hits(line)
    assert line[hit.start : hit.end] == "shit"
    assert hit.group == "obscene"


@given(st.lists(st.sampled_from([*HARMLESS, *HARMFUL]) | st.text(max_size=30), max_size=4))
def test_the_quick_look_misses_nothing_that_the_close_one_finds(parts: list[str]) -> None:
    line = " ".join(parts).replace("\n", " ")
    if WordList.default().hits(line):
        assert WordList.default().may_hit(line)


@given(st.text(alphabet="bdhjlmpqvwxz .,!?'\n", max_size=200))
def test_text_without_a_listed_word_is_never_touched(text: str) -> None:
    assert WordList.default().hits(text) == []
    assert not WordList.default().may_hit(text)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_spellings_of_a_word() -> None:
    found = set(spellings("bitch"))
    assert {"bitch", "bitches", "b*tch", "b***h", "b1tch", "b!tch", "biiitch"} <= found
    assert "bitchs" not in found


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    own = WordList.load(
        write(
            tmp_path / "own.toml",
            '[always]\nrivals = ["acme", "блин"]\n[phrases]\nrivals = ["other brand"]\n'
            '[[context]]\nwords = ["apple"]\nwith = ["phone*"]\nunless = ["pie"]\nnear = 1\n',
        )
    )
    assert own.hits("Buy at ACME!")
    assert own.hits("the other  brand")
    assert own.hits("Ну блин же")
    assert own.may_hit("Ну блин же")
    assert own.hits("apple phones")
    assert not own.hits("apple pie phones")
    assert not own.hits("an apple, red, no phone")
    assert not own.hits("what a shit day")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[always", "is not valid TOML"),
        ("[alwys]\na = []", "has a table 'alwys'"),
        ("[always]\na = 'word'", "where a list of words is needed"),
        ("always = 3", "where a table [always] of lists is needed"),
        ("[[context]]\nwith = ['a']", "has None as [[context]] words"),
        ("[[context]]\nwords = ['a']\nwithin = 3", "has 'within' in a [[context]]"),
        ("[[context]]\nwords = ['a']\nnear = 0", "near is no number of words"),
        ("context = 3", "where tables [[context]] are needed"),
    ],
)
def test_a_list_that_is_none_gets_a_sentence(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError) as error:
        WordList.load(write(tmp_path / "own.toml", text))
    assert message in str(error.value)
    assert "own.toml" in str(error.value)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError, match="cannot be read"):
        WordList.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    with pytest.raises(weft.OptionError, match="not UTF-8"):
        WordList.load(tmp_path / "latin.toml")


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the shared data is not here")
@pytest.mark.parametrize(
    "name", ["tinyshakespeare/input.txt", "books/frankenstein.txt", "books/pride_and_prejudice.txt"]
)
def test_no_line_of_the_classics_is_touched(name: str) -> None:
    text = (TEXTS / name).read_text(encoding="utf-8")
    assert [line for line in text.split("\n") if WordList.default().hits(line)] == []


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the shared data is not here")
def test_web_pages_and_many_languages_are_hardly_touched() -> None:
    with (TEXTS / "messy_web/c4_sample.jsonl").open(encoding="utf-8") as file:
        pages = [json.loads(line)["text"] for line in file]
    lines = [line for page in pages for line in page.split("\n")]
    assert sum(bool(WordList.default().hits(line)) for line in lines) <= 2
    rights = [path.read_text(encoding="utf-8") for path in (TEXTS / "messy_web/udhr").glob("*.txt")]
    assert rights
    assert not any(WordList.default().hits(line) for text in rights for line in text.split("\n"))
