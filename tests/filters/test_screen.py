"""The screen as preparation uses it: lines left out, samples rejected, figures."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.filters import TextScreen

BAD = "what a fucking mess this is"
GOOD = "The sun rose over the quiet village and nobody was awake."

LINES = st.lists(st.sampled_from([BAD, GOOD, "", "  ", "you dumb bitch", "Hoe gaat het?"]) | st.text(max_size=20))


def sample(text: str, prompt: str | None = None) -> weft.Sample[str]:
    return weft.Sample(text, prompt)


def test_harmful_lines_are_left_out() -> None:
    text = "\n".join([GOOD, GOOD, BAD, "", GOOD])
    screen = TextScreen()
    assert screen.measure(sample(text)) == {
        "harmful_lines": 1.0,
        "harmful_share": pytest.approx(22 / (22 + 3 * 47), abs=1e-6),
    }
    answer = screen.check(sample(text))
    assert isinstance(answer, weft.Revised)
    assert answer.sample.payload == "\n".join([GOOD, GOOD, "", GOOD])
    assert answer.reason.code == "harmful"
    assert "1 of 5 lines" in answer.reason.detail
    assert "fucking" in answer.reason.excerpt
    assert answer.reason.excerpt in text


def test_what_goes_with_a_revision_is_kept() -> None:
    text = "\n".join([GOOD] * 4 + [BAD])
    answer = TextScreen().check(weft.Sample(text, None, {"words": 3.0}))
    assert isinstance(answer, weft.Revised)
    assert answer.sample.figures == {"words": 3.0}


def test_a_document_goes_above_the_share() -> None:
    text = "\n".join([GOOD, BAD, BAD])
    assert isinstance(TextScreen(share=0.9).check(sample(text)), weft.Revised)
    rejected = TextScreen(share=0.3).check(sample(text))
    assert isinstance(rejected, weft.Reason)
    assert "2 of 3 lines" in rejected.detail
    assert isinstance(TextScreen(share=0).check(sample("\n".join([GOOD] * 50 + [BAD]))), weft.Reason)
    assert isinstance(TextScreen(share=1).check(sample(f"{BAD}\n \n")), weft.Reason)


def test_a_harmful_prompt_or_answer_rejects_the_pair() -> None:
    screen = TextScreen()
    by_prompt = screen.check(sample(GOOD, "fuck you"))
    by_answer = screen.check(sample("\n".join([GOOD] * 20 + [BAD]), "Tell me a story"))
    assert isinstance(by_prompt, weft.Reason)
    assert by_prompt.detail.startswith("the prompt")
    assert isinstance(by_answer, weft.Reason)
    assert "of the answer" in by_answer.detail
    assert screen.check(sample(GOOD, "Tell me a story")) is None


def test_a_harmful_caption_rejects_a_sample_of_any_modality() -> None:
    screen = TextScreen()
    rejected = screen.check(weft.Sample(object(), "hot sluts and free porn"))
    assert isinstance(rejected, weft.Reason)
    assert rejected.detail.startswith("the caption")
    assert screen.check(weft.Sample(object(), "a rooster: the cock crows")) is None
    assert screen.check(weft.Sample(object())) is None
    assert screen.measure(weft.Sample(object(), "hot sluts")) == {}


def test_it_can_be_turned_off() -> None:
    assert TextScreen(words=False).check(sample(BAD)) is None


def test_a_list_of_ones_own_counts_beside_the_other(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[always]\nrivals = ["acme"]\n')
    screen = TextScreen(filters=[tmp_path / "own.toml"])
    assert isinstance(screen.check(sample("Buy at Acme")), weft.Reason)
    assert isinstance(screen.check(sample(BAD)), weft.Reason)
    assert screen.sha256 != TextScreen().sha256
    assert TextScreen(words=False, filters=[tmp_path / "own.toml"]).check(sample(BAD)) is None


def test_it_travels_to_worker_processes() -> None:
    screen = pickle.loads(pickle.dumps(TextScreen()))
    assert isinstance(screen.check(sample(BAD)), weft.Reason)
    assert screen.sha256 == TextScreen().sha256


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(weft.OptionError, match="from 0 to 1"):
        TextScreen(share=share)


@given(LINES)
def test_what_is_left_is_some_of_the_lines_and_stays(lines: list[str]) -> None:
    text = "\n".join(lines)
    screen = TextScreen(share=1)
    answer = screen.check(sample(text))
    if isinstance(answer, weft.Revised):
        rest = iter(text.split("\n"))
        assert all(line in rest for line in answer.sample.payload.split("\n")), "a subsequence"
        assert screen.check(answer.sample) is None
        assert BAD not in answer.sample.payload
        assert screen.measure(answer.sample) == {"harmful_lines": 0.0, "harmful_share": 0.0}
    elif answer is None:
        assert BAD not in text


@given(LINES)
def test_it_remembers_nothing_of_other_samples(lines: list[str]) -> None:
    used, fresh = TextScreen(), TextScreen()
    for text in ("\n".join(lines), BAD, "\n".join(lines)):
        assert used.measure(sample(text)) == fresh.measure(sample(text))
    assert used.check(sample("\n".join(lines))) == TextScreen().check(sample("\n".join(lines)))
