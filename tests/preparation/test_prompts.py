"""Files that are given as prompts are read and cleaned as those of a corpus are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

import weft
from weft.plugins.registry import get_registry
from weft.preparation.prompts import clean_prompt, find_prompts, read_prompts
from weft_audio import Waveform

IMAGES = {"image": {"image.size": 16, "image.min_size": 8, "image.color": "gray"}}
SOUNDS = {"audio": {"audio.rate": 8000, "audio.seconds": 4.0}}
OPTIONS: dict[str, Any] = {**IMAGES, **SOUNDS}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, side in (("b.png", 40), ("a.bmp", 20)):
        Image.linear_gradient("L").resize((side, 30)).convert("RGB").save(folder / name)
    (folder / "README.md").write_text("Two pictures.")
    return folder


def read(*paths: Path, options: dict[str, Any] = OPTIONS) -> list[Any]:
    registry = get_registry()
    return read_prompts(find_prompts(paths, registry), options, registry)


def test_a_picture_is_cleaned_as_those_of_the_corpus(pictures: Path) -> None:
    (prompt,) = read(pictures / "b.png")
    assert (prompt.modality, prompt.name) == ("image", str(pictures / "b.png"))
    assert (prompt.payload.size, prompt.payload.mode) == ((16, 16), "L")
    preparer = get_registry().preparer_class("image")
    item = find_prompts([pictures / "b.png"], get_registry())[0].item
    options = get_registry().options_class("image")(size=16, min_size=8, color="gray")
    (sample,) = [preparer(options).clean(each) for each in preparer(options).read(item)]
    assert prompt.payload.tobytes() == sample.payload.tobytes()


def test_a_clip_has_the_rate_of_the_corpus(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(22_050) / 10), 22_050)
    (prompt,) = read(tmp_path / "tone.wav")
    assert prompt.modality == "audio"
    assert prompt.payload.rate == 8000
    assert prompt.payload.seconds == pytest.approx(1.0, abs=0.01)


def test_files_come_in_their_order_and_a_folder_in_that_of_names(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a red\r\nbicycle")
    prompts = read(tmp_path / "words.txt", pictures, pictures / "b.png")
    assert [prompt.name for prompt in prompts] == [
        str(tmp_path / "words.txt"), str(pictures / "a.bmp"), str(pictures / "b.png"), str(pictures / "b.png"),
    ]  # fmt: skip
    assert prompts[0].payload == "a red\nbicycle"


def test_a_file_of_several_samples_is_several_prompts(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert [(p.name.rpartition("/")[2], p.payload) for p in read(tmp_path / "lines.jsonl")] == [
        ("lines.jsonl#0", "one"), ("lines.jsonl#1", "two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", b"no picture", r"a\.png cannot be read as image \(.+\); check the file"),
        ("a.wav", b"no sound", r"a\.wav cannot be read as audio \(.+\); check the file"),
        ("a.txt", b"\xff\xfe\xfd\xfc\xfb", r"a\.txt cannot be read as text \(.+\); check the file"),
        ("a.jsonl", b"{broken", r"a\.jsonl cannot be read as text \(.+\); check the file"),
        ("a.jsonl", b"", r"there is nothing in .*a\.jsonl that could be a prompt"),
        ("a.xyz", b"what", r"a\.xyz cannot be a prompt: no installed plugin reads these files"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(weft.SourceError, match=said) as found:
        read(tmp_path / name)
    assert "\n" not in str(found.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(weft.SourceError, match="does not exist"):
        read(tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(weft.SourceError, match="no files to read"):
        read(tmp_path / "empty")


class TestInMemory:
    def test_the_plugin_that_takes_it_is_found(self) -> None:
        registry = get_registry()
        picture = clean_prompt(Image.new("RGB", (50, 40)), ["audio", "image"], OPTIONS, registry)
        assert (picture.modality, picture.payload.size, picture.payload.mode) == ("image", (16, 16), "L")
        sound = clean_prompt(Waveform(np.zeros(4000, np.float32), 16_000), ["image", "audio"], OPTIONS, registry)
        assert (sound.modality, sound.payload.rate, len(sound.payload.samples)) == ("audio", 8000, 2000)

    @pytest.mark.parametrize("thing", [3, b"bytes", io.BytesIO(), np.zeros(5), ["words"]])
    def test_what_no_plugin_takes(self, thing: Any) -> None:
        said = "a prompt must be text, or a payload of image, or a payload of audio; got an object of type"
        with pytest.raises(weft.OptionError, match=said):
            clean_prompt(thing, ["image", "audio"], OPTIONS, get_registry())

    def test_a_run_that_takes_words_alone(self) -> None:
        with pytest.raises(weft.OptionError, match="a prompt must be text; got an object of type Image"):
            clean_prompt(Image.new("L", (9, 9)), [], OPTIONS, get_registry())
