"""What a run can be asked for, from what it says that it learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import weft
from weft.generation.abilities import Abilities
from weft.storage.run import Direction, RunManifest

MANIFEST = RunManifest(
    settings={},
    model={},
    vocabulary={},
    modalities=["image", "audio"],
    lengths={"image": (64, 64), "audio": (10, 90)},
    corpora=[],
    conditional=["image"],
    codecs={},
    weft="0.1.0",
)
BOTH_WAYS = [
    Direction("text", "image", (64, 64)),
    Direction("image", "text", (1, 3)),
    Direction("audio", "text", (1, 9)),
    Direction("audio", "image", (64, 64)),
]


@pytest.fixture
def old() -> Abilities:
    """Of a run that says nothing of directions, as all did that learned from prompts alone."""
    return Abilities.of(MANIFEST)


@pytest.fixture
def new() -> Abilities:
    return Abilities.of(replace(MANIFEST, directions=BOTH_WAYS))


def test_an_older_run_makes_of_prompts_what_it_says(old: Abilities) -> None:
    assert list(old.directions) == [Direction("text", "image", (64, 64))]
    assert old.conditions == []
    assert old.target("image") == "image"
    with pytest.raises(weft.GenerationError, match=r"did not learn to make text of image \(it learned text to image\)"):
        old.target_of("image", "text")


def test_what_is_meant_is_inferred_where_one_thing_can_be(new: Abilities) -> None:
    assert new.conditions == ["image", "audio"]
    assert new.target_of("image", None) == "text"
    assert new.target_of("audio", "image") == "image"
    assert new.direction("audio", "text") == Direction("audio", "text", (1, 9))
    assert new.direction("text", "audio") is None


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda run: run.target(None), "say what to make with --to; it was trained on image, audio"),
        (lambda run: run.target("video"), "this run cannot make 'video'; it was trained on image, audio"),
        (
            lambda run: run.target("text"),
            "makes text only of image or audio; give a file of that kind with --prompt-file",
        ),
        (lambda run: run.target_of("audio", None), "say what to make of audio with --to; it can be text or image"),
        (lambda run: run.target_of("image", "audio"), "did not learn to make audio of image"),
        (lambda run: run.target_of("video", None), "did not learn to make anything of video"),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(new: Abilities, ask: Any, said: str) -> None:
    with pytest.raises(weft.GenerationError, match=said) as found:
        ask(new)
    assert "\n" not in str(found.value)


def test_a_run_without_captions() -> None:
    plain = Abilities.of(replace(MANIFEST, conditional=[]))
    with pytest.raises(weft.GenerationError, match="it learned no direction at all"):
        plain.target_of("image", None)
