"""A published codec from a local folder, here a tiny one with random weights in the layout of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import weft
from weft.storage.codecs import save_codec
from weft_image.options import ImageOptions
from weft_image.preparer import ImagePreparer
from weft_image.published import ImageVQ

from .conftest import noise

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module", params=["group", "spatial"])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = diffusers.VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 32, 32),
        norm_num_groups=32,
        latent_channels=4,
        num_vq_embeddings=32,
        norm_type=request.param,
    )
    path = tmp_path_factory.mktemp("published")
    model.save_pretrained(path)
    return path


def test_its_tokens_are_its_own_codes_in_rows(folder: Path) -> None:
    codec = ImageVQ.from_folder(folder, 16)
    facts = codec.facts()
    assert (facts.grid, facts.length, codec.vocab_size) == ((4, 4), 20, 36)
    images = [noise((16, 16), seed=seed) for seed in range(11)]
    tokens = codec.encode(images)
    for each in tokens:
        assert all(low <= token < high for token, (low, high) in zip(each, facts.pattern, strict=True))
    model = diffusers.VQModel.from_pretrained(folder).eval()
    pixels = torch.from_numpy(np.array(images[5])).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        latents = model.encode(pixels).latents
        expected = model.quantize(latents)[2][2]
        shown = model.decode(latents).sample[0]
    assert tokens[5].reshape(4, 5)[:, 1:].ravel().tolist() == expected.ravel().tolist()
    (back,) = codec.decode([tokens[5]])
    wanted = ((shown + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(np.asarray(back, dtype=float) - wanted).max() <= 1
    assert codec.encode([images[5]])[0].tolist() == tokens[5].tolist()


def test_a_saved_codec_needs_the_folder_no_more(folder: Path, tmp_path: Path) -> None:
    codec = ImageVQ.from_folder(folder, 16)
    digest = save_codec(codec, tmp_path / "a")
    back = ImageVQ.load(tmp_path / "a")
    assert save_codec(back, tmp_path / "b") == digest
    image = noise((16, 16))
    assert back.encode([image])[0].tolist() == codec.encode([image])[0].tolist()


def test_options_follow_from_the_folder(folder: Path) -> None:
    found = ImagePreparer.resolve(ImageOptions(codec_folder=str(folder)), [])
    assert (found.size, found.grid, found.color) == (64, 16, "rgb")
    found = ImagePreparer.resolve(ImageOptions(codec_folder=str(folder), tokens=70), [])
    assert (found.size, found.grid) == (32, 8)
    with pytest.raises(weft.OptionError, match="4 x 4 pixels"):
        ImagePreparer.resolve(ImageOptions(codec_folder=str(folder), size=18), [])
    with pytest.raises(weft.OptionError, match="leave them out"):
        ImagePreparer.resolve(ImageOptions(codec_folder=str(folder), codes=1000), [])


def test_a_folder_without_a_model_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(weft.OptionError, match=r"image\.codec_folder.*config\.json"):
        ImagePreparer.resolve(ImageOptions(codec_folder=str(tmp_path)), [])


def test_a_corpus_is_encoded_with_it(folder: Path, disks: Path, prepare_images: Any) -> None:
    corpus = prepare_images(disks, codec_folder=str(folder), size=16)
    entry = corpus.manifest["codecs"]["image"]
    assert (entry["name"], entry["vocab_size"], entry["steps"]) == ("image-vq", 36, 0)
    assert entry["quality"]["psnr_db"] > 0
