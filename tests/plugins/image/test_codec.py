"""The image codec: what its tokens promise, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import weft
from weft.errors import FolderError
from weft.interfaces.progress import Silent
from weft.models.device import pick_device
from weft.storage.codecs import save_codec
from weft.training.fit import make_fit
from weft_image.codec import ImageFSQ
from weft_image.learning import default_steps, learn_codec, measure_codec, psnr
from weft_image.network import CodecConfig
from weft_image.pixels import fit_square

from .conftest import disk, noise

CONFIG = CodecConfig(size=16, grid=4, channels=3, levels=(8, 6, 5), width=8, depth=1, detail=4)
SAMPLES = [weft.Sample(disk((200, 8 * n, 0), (0, 0, 8 * n), size=16, radius=3 + n % 4)) for n in range(24)]


def learned(steps: int, seed: int = 0, config: CodecConfig = CONFIG) -> ImageFSQ:
    mode = "L" if config.channels == 1 else "RGB"
    samples = [weft.Sample(fit_square(sample.payload, config.size, mode)) for sample in SAMPLES]
    return learn_codec(samples, config, steps, make_fit(Silent(), seed=seed, device=pick_device("cpu")))


@pytest.fixture(scope="module")
def codec() -> ImageFSQ:
    return learned(20)


def test_tokens_are_rows_of_a_mark_and_codes(codec: ImageFSQ) -> None:
    facts = codec.facts()
    assert facts.grid == (4, 4)
    assert facts.length == len(facts.pattern) == 20
    assert codec.vocab_size == 244
    assert facts.pattern[:6] == ((240, 241), *[(0, 240)] * 4, (241, 242))
    for tokens in codec.encode([sample.payload for sample in SAMPLES]):
        assert tokens.dtype == np.int32
        assert all(low <= token < high for token, (low, high) in zip(tokens, facts.pattern, strict=True))


def test_a_batch_gives_what_each_image_gives_alone(codec: ImageFSQ) -> None:
    images = [noise((16, 16), seed=seed) for seed in range(codec.batch_size + 5)]
    together = codec.encode(images)
    alone = [codec.encode([image])[0] for image in images]
    assert [tokens.tolist() for tokens in together] == [tokens.tolist() for tokens in alone]
    decoded = codec.decode(together)
    assert [image.tobytes() for image in decoded] == [codec.decode([t])[0].tobytes() for t in together]


@settings(max_examples=25)
@given(data=st.data())
def test_whatever_follows_the_pattern_decodes(data: st.DataObject) -> None:
    codec = ImageFSQ(CONFIG)
    tokens = data.draw(st.tuples(*(st.integers(low, high - 1) for low, high in codec.facts().pattern)))
    (image,) = codec.decode([np.array(tokens, dtype=np.int32)])
    assert (image.mode, image.size) == ("RGB", (16, 16))


def test_codes_survive_the_quantizer(codec: ImageFSQ) -> None:
    codes = torch.arange(240).view(1, 12, 20)
    quantizer = codec.model.quantizer
    assert torch.equal(quantizer.encode(torch.logit((quantizer.decode(codes) + 1) / 2, eps=1e-4) / 1.6), codes)


def test_images_of_another_size_and_color_are_brought_to_the_codecs_own(codec: ImageFSQ) -> None:
    image = SAMPLES[3].payload
    enlarged = image.resize((48, 32), Image.Resampling.BICUBIC)
    assert codec.encode([enlarged])[0].tolist() == codec.encode([fit_square(enlarged, 16, "RGB")])[0].tolist()
    gray = image.convert("L")
    assert codec.encode([gray])[0].tolist() == codec.encode([gray.convert("RGB")])[0].tolist()


def test_it_comes_back_from_disk(codec: ImageFSQ, tmp_path: Path) -> None:
    digest = save_codec(codec, tmp_path / "a")
    back = ImageFSQ.load(tmp_path / "a")
    assert back.config == CONFIG
    assert save_codec(back, tmp_path / "b") == digest
    images = [sample.payload for sample in SAMPLES]
    assert all(map(np.array_equal, codec.encode(images), back.encode(images)))
    (tmp_path / "a" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(FolderError, match="image-fsq"):
        ImageFSQ.load(tmp_path / "a")


def test_equal_seeds_give_equal_codecs(tmp_path: Path) -> None:
    digests = [save_codec(learned(5, seed), tmp_path / name) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert digests[0] == digests[1] != digests[2]


def _psnr_of(codec: ImageFSQ) -> float:
    images = [fit_square(s.payload, 16, "L" if codec.config.channels == 1 else "RGB") for s in SAMPLES]
    return measure_codec(codec, [weft.Sample(image) for image in images])["psnr_db"]


@pytest.mark.parametrize("channels", [1, 3])
def test_learning_makes_it_better(channels: int) -> None:
    config = CodecConfig(size=16, grid=4, channels=channels, levels=(8, 6, 5), width=16, depth=1, detail=8)
    before, after = (_psnr_of(learned(steps, config=config)) for steps in (1, 150))
    assert after > before + 5
    assert after > 18


def test_quality_is_of_at_most_some_hundred_samples_and_of_none_without() -> None:
    codec = ImageFSQ(CONFIG)
    figures = measure_codec(codec, SAMPLES)
    assert 0 < figures["codes_used"] <= 1
    assert measure_codec(codec, []) == {}


def test_steps_grow_with_the_images_up_to_a_limit() -> None:
    steps: list[int] = [default_steps(count) for count in (1, 50, 500, 5_000, 500_000)]
    assert steps == sorted(steps)
    assert steps[0] >= 300
    assert steps[-1] == steps[-2]


def test_psnr_is_of_the_mean_squared_error() -> None:
    black = Image.new("L", (4, 4), 0)
    assert psnr(black, black) == 99
    assert psnr(black, Image.new("L", (4, 4), 255)) == pytest.approx(0)
    assert psnr(black, Image.new("L", (4, 4), 25)) == pytest.approx(20.172, abs=1e-3)
