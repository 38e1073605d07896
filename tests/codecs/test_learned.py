"""What learned codecs share: the same bytes for the same network, a sentence for damage, fixed batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import weft
from weft.codecs.learned import LearnedCodec
from weft.codecs.reconstruction import ReconstructionTrainer
from weft.interfaces.progress import Silent
from weft.storage.hashing import hash_folder
from weft.training.fit import make_fit


@dataclass(frozen=True)
class Shape:
    width: int = 4
    levels: tuple[int, ...] = (3, 3)


class Sign(LearnedCodec[np.ndarray, Shape]):
    """Vectors to one bit a dimension, after a learned rotation."""

    name = "sign"
    config_type = Shape
    batch_size = 3

    @classmethod
    def build_model(cls, config: Shape) -> nn.Module:
        return nn.Linear(config.width, config.width, bias=False)

    @property
    def vocab_size(self) -> int:
        return 2

    def encode(self, payloads: Sequence[np.ndarray]) -> list[weft.Tokens]:
        batches = (self.model(torch.from_numpy(np.stack(each))) for each in self.batches(payloads))
        return [row.numpy().astype(np.int32) for batch in batches for row in (batch > 0)]

    def decode(self, ids: Sequence[weft.Tokens]) -> list[np.ndarray]:
        return [each.astype(np.float32) for each in ids]

    def facts(self) -> weft.CodecFacts:
        return weft.CodecFacts(((0, 2),), length=self.config.width)


def codec(seed: int = 0) -> Sign:
    torch.manual_seed(seed)
    return Sign(Shape())


def saved(one: Sign, folder: Path) -> Path:
    folder.mkdir()
    one.save(folder)
    return folder


def test_equal_codecs_are_the_same_bytes(tmp_path: Path) -> None:
    first, again = saved(codec(), tmp_path / "a"), saved(codec(), tmp_path / "b")
    other = saved(codec(1), tmp_path / "c")
    assert hash_folder(first) == hash_folder(again) != hash_folder(other)
    assert {path.suffix for path in first.iterdir()} == {".json", ".safetensors"}


def test_what_was_saved_is_loaded_and_saves_the_same(tmp_path: Path) -> None:
    first = codec()
    folder = saved(first, tmp_path / "a")
    loaded = Sign.load(folder)
    assert loaded.config == first.config
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    payloads = list(np.random.default_rng(0).standard_normal((7, 4), dtype=np.float32))
    for one, two in zip(first.encode(payloads), loaded.encode(payloads), strict=True):
        assert one.tolist() == two.tolist()
    assert hash_folder(saved(loaded, tmp_path / "b")) == hash_folder(folder)


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    folder = saved(codec(), tmp_path / "a")
    before = torch.get_rng_state()
    Sign.load(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_are_fixed_and_neighbors_do_not_matter() -> None:
    assert [list(batch) for batch in Sign.batches(range(8))] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert list(Sign.batches([])) == []
    one = codec()
    payloads = list(np.random.default_rng(0).standard_normal((8, 4), dtype=np.float32))
    together = [ids.tolist() for ids in one.encode(payloads)]
    assert together == [one.encode([payload])[0].tolist() for payload in payloads]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", b"\xff\xfe"),
        ("config.json", b"[1]"),
        ("config.json", b'{"height": 4}'),
        ("config.json", b'{"width": 5}'),
        ("config.json", b'{"width": "x"}'),
        ("config.json", b'{"width": -1}'),
        ("model.safetensors", None),
        ("model.safetensors", b""),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0notjson!"),
    ],
)
def test_a_damaged_folder_is_one_sentence(tmp_path: Path, name: str, data: bytes | None) -> None:
    folder = saved(codec(), tmp_path / "a")
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(weft.FolderError, match="does not hold a readable sign codec"):
        Sign.load(folder)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    folder = saved(codec(), tmp_path / "a")
    other = saved(Sign(Shape(width=6)), tmp_path / "b")
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(weft.FolderError, match="does not hold a readable sign codec"):
        Sign.load(folder)
    assert json.loads((other / "config.json").read_text()) == {"levels": [3, 3], "width": 6}


class Lines(weft.Dataset[Tensor]):
    """Points on a line through the origin of a plane: one number tells them apart."""

    def __len__(self) -> int:
        return 64

    def draw(self, index: int, epoch: int) -> Tensor:
        return (index / 32 - 1) * torch.tensor([3.0, 1.0])


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 2))


def squares(guess: Tensor, target: Tensor) -> Tensor:
    return (guess - target).square().mean(1)


def test_reconstruction_learns_through_the_one_loop() -> None:
    trainer = ReconstructionTrainer(build, squares)
    batch = trainer.collate([Lines().draw(i, 0) for i in range(64)])
    assert batch["payloads"].shape == (64, 2)
    fit = make_fit(Silent(), seed=0, device=torch.device("cpu"))
    model = fit(trainer, Lines(), steps=200, batch_size=16, learning_rate=0.05)
    assert not model.training
    loss = trainer.loss(model, batch)
    assert loss.weight == 64
    torch.testing.assert_close(loss.total, squares(model(batch["payloads"]), batch["payloads"]).sum())
    untrained = fit(trainer, Lines(), steps=1, batch_size=16)
    assert loss.total < 0.02 * trainer.loss(untrained, batch).total


def test_equal_seeds_learn_equal_codecs() -> None:
    def weights(seed: int) -> Tensor:
        fit = make_fit(Silent(), seed=seed, device=torch.device("cpu"))
        model = fit(ReconstructionTrainer(build, squares), Lines(), steps=5, batch_size=4)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))
