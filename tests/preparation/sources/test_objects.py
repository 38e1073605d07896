"""Data sets in memory, and those that Hugging Face `datasets` saved."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from weft.errors import SourceError
from weft.interfaces.source import Source
from weft.preparation.collect import collect

from .conftest import captions, contents, png, read, wav


def picture(value: int) -> Image.Image:
    return Image.open(io.BytesIO(png(value)))


def pixel(data: bytes) -> Any:
    return Image.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0))


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    library = pytest.importorskip("datasets")
    library.disable_progress_bars()
    return library


def animals(datasets: Any) -> Any:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    return datasets.Dataset.from_dict({"image": [picture(n) for n in range(6)], "label": [0, 1] * 3}, features=features)


def test_a_hugging_face_dataset(datasets: Any) -> None:
    shuffled = animals(datasets).select([5, 3, 0])
    assert {name: pixel(data)[0] for name, data in contents(shuffled).items()} == {
        "000000.png": 5, "000001.png": 3, "000002.png": 0,
    }  # fmt: skip
    assert list(captions(shuffled).values()) == ["dog", "dog", "cat"]
    (facts,) = collect([Source(shuffled, license="CC0")]).sources
    assert (facts.location, facts.items) == ("datasets.arrow_dataset.Dataset of 3", 3)
    with pytest.raises(SourceError, match="IterableDataset cannot be read from any row"):
        collect([shuffled.to_iterable_dataset()])


def test_splits_of_a_hugging_face_dataset(datasets: Any, tmp_path: Path) -> None:
    splits = datasets.DatasetDict({"train": animals(datasets), "test": animals(datasets).select([1])})
    assert captions(splits)["test/000000.png"] == "dog"
    splits.save_to_disk(tmp_path / "saved")
    assert captions(tmp_path / "saved") == captions(splits)
    assert contents(tmp_path / "saved") == contents(splits)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_saved_dataset(datasets: Any, tmp_path: Path, shards: int) -> None:
    animals(datasets).select([4, 2, 0]).save_to_disk(tmp_path / "saved", num_shards=shards)
    assert [pixel(data)[0] for data in contents(tmp_path / "saved").values()] == [4, 2, 0]
    assert set(captions(tmp_path / "saved").values()) == {"cat"}
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(SourceError, match=r"saved cannot be read .* save it again"):
        collect([tmp_path / "saved"])


def test_text_of_a_dataset_is_lines_of_json(datasets: Any, tmp_path: Path) -> None:
    texts = [f"poem {number} é" for number in range(2500)]
    dataset = datasets.Dataset.from_dict({"text": texts, "n": list(range(2500))})
    found = contents(dataset)
    assert list(found) == ["rows-000000000.jsonl", "rows-000001000.jsonl", "rows-000002000.jsonl"]
    lines = b"".join(found.values()).decode().splitlines()
    assert len(lines) == 2500
    assert lines[7] == '{"text": "poem 7 é", "n": 7}'
    dataset.save_to_disk(tmp_path / "saved")
    assert contents(tmp_path / "saved") == found
    assert [item.size for item in collect([dataset]).items] == [len(data) for data in found.values()]


def test_recordings_of_a_dataset(datasets: Any, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(3))
    dataset = datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.wav")], "text": ["hello"]})
    dataset = dataset.cast_column("audio", datasets.Audio())
    assert contents(dataset) == {"a.wav": wav(3)}
    assert captions(dataset) == {"a.wav": "hello"}


def test_torchvision(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    for name in ("cat/1.png", "dog/2.png", "dog/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(int(name[4])))
    folder = torchvision.datasets.ImageFolder(tmp_path)
    assert [pixel(data)[0] for data in contents(folder).values()] == [1, 2, 3]
    assert captions(folder) == {"000000.png": "cat", "000001.png": "dog", "000002.png": "dog"}
    tensors = torchvision.datasets.ImageFolder(tmp_path, transform=torchvision.transforms.ToTensor())
    assert [pixel(data)[0] for data in contents(tensors).values()] == [1, 2, 3]
    fake = torchvision.datasets.FakeData(3, (3, 8, 8))
    assert [Image.open(io.BytesIO(data)).size for data in contents(fake).values()] == [(8, 8)] * 3
    assert all(captions(fake).values())


def test_torchaudio(tmp_path: Path) -> None:
    torchaudio = pytest.importorskip("torchaudio")
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "waves_yesno").mkdir()
    for name, level in (("0_1_0_1_0_1_0_1.wav", 8), ("1_1_1_1_0_0_0_0.wav", 16)):
        (tmp_path / "waves_yesno" / name).write_bytes(wav(level))

    class YesNo(torchaudio.datasets.YESNO):  # type: ignore[misc]
        """Reads with soundfile: what torchaudio itself reads with needs a system FFmpeg."""

        def __getitem__(self, place: int) -> Any:
            data, rate = soundfile.read(tmp_path / "waves_yesno" / f"{self._walker[place]}.wav", dtype="float32")
            return data[None], rate, [int(each) for each in self._walker[place].split("_")]

        def __reduce__(self) -> Any:
            return _yes_no, (str(tmp_path),)

    globals()["YesNo"] = YesNo
    found = contents(YesNo(tmp_path))
    assert list(found) == ["000000.wav", "000001.wav"]
    data, rate = soundfile.read(io.BytesIO(found["000001.wav"]))
    assert (rate, len(data)) == (8000, 80)
    assert np.allclose(data, 16 / 256)


def _yes_no(root: str) -> Any:
    return globals()["YesNo"](root)


class Pairs:
    """What a user writes in an afternoon."""

    classes = ("cat", "dog")

    def __init__(self, elements: list[Any]) -> None:
        self.elements = elements

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, place: int) -> Any:
        return self.elements[place]


@pytest.mark.parametrize(
    ("element", "name", "row"),
    [
        (picture(1), "000000.png", {}),
        ((picture(1), 1), "000000.png", {"label": "dog"}),
        ((picture(1), np.int64(0)), "000000.png", {"label": "cat"}),
        ((picture(1), ["a cat", "another"]), "000000.png", {"text": "a cat"}),
        ((picture(1), {"text": "sat", "n": 3}), "000000.png", {"text": "sat", "n": "3"}),
        ({"image": picture(1), "caption": "a cat", "label": 0}, "000000.png", {"caption": "a cat", "label": "cat"}),
        (np.zeros((3, 4, 5), np.uint8), "000000.png", {}),
        (np.zeros((4, 5, 1)), "000000.png", {}),
        ((np.zeros((1, 80), np.float32), 8000, "hello", 7), "000000.wav", {"text": "hello", "label": "7"}),
        ({"array": np.zeros(80), "sampling_rate": 8000, "text": "hi"}, "000000.wav", {"text": "hi"}),
        ({"audio": {"array": np.zeros(80), "sampling_rate": 8000}}, "000000.wav", {}),
        ("a poem", "000000.txt", {}),
        (("a poem", 0), "000000.txt", {"label": "cat"}),
    ],
)
def test_elements(element: Any, name: str, row: dict[str, str]) -> None:
    (item,) = collect([Pairs([element])]).items
    assert (item.name, dict(item.metadata)) == (name, row)
    assert read(item)


def test_an_element_that_is_nothing_known_is_a_sentence() -> None:
    with pytest.raises(SourceError, match=r"element 1 of .*Pairs of 2 cannot be read \(there is no picture"):
        collect([Pairs([picture(1), (object(), 3)])])


def test_data_sets_that_look_alike_are_sources_of_their_own() -> None:
    one, two = Pairs(["a poem"]), Pairs(["another poem"])
    found = collect([one, two])
    first, second = (each.location for each in found.sources)
    assert first.endswith("Pairs of 1")
    assert second == f"{first} (2)"
    assert {item.read_bytes(): item.source for item in found.items} == {b"a poem": first, b"another poem": second}
    with pytest.raises(SourceError, match="Pairs of 1 is given twice"):
        collect([one, two, one])


def test_a_dataset_travels_once_with_all_its_items() -> None:
    dataset = Pairs([np.full((3, 64, 64), n, np.uint8) for n in range(40)])
    items = list(collect([dataset]).items)
    assert len(pickle.dumps(items)) < 1.2 * len(pickle.dumps(dataset))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(read_pixel, items[:3]) == [0, 1, 2]


def read_pixel(item: Any) -> int:
    return int(pixel(item.read_bytes())[0])
