"""Stage 1 of images from real files to a corpus folder, and the whole way to a picture."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft.preparation.ledger import check_counts

from .conftest import disk, noise, saved

SHARED = Path(os.path.relpath(Path(__file__).parents[3].parent / "shared" / "data"))


def test_what_is_broken_blank_tiny_long_or_there_twice_is_rejected(
    prepare_images: Any, disks: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(disks, source)
    odd = source / "odd"
    odd.mkdir()
    (odd / "blank.png").write_bytes(saved(disk("white", "white")))
    (odd / "tiny.png").write_bytes(saved(noise((8, 8))))
    (odd / "long.png").write_bytes(saved(noise((200, 20))))
    (odd / "cut.jpg").write_bytes(saved(noise((64, 64)), "JPEG")[:900])
    (odd / "again.tiff").write_bytes(saved(Image.open(disks / "hole" / "07.png"), "TIFF"))
    corpus = prepare_images(source)
    counts = corpus.manifest["counts"]
    check_counts(counts)
    assert counts["items_rejected"] == {"unreadable": 1}
    assert counts["rejected"] == {"blank": 1, "duplicate": 1, "too-long": 1, "too-small": 1}
    assert counts["kept"] == 40
    assert set(corpus.prompts) >= {"red disk", "hole"}
    assert corpus.manifest["codecs"]["image"]["quality"]["psnr_db"] > 0


def test_the_size_of_the_source_is_judged_even_if_less_of_it_is_decoded(prepare_images: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.jpg").write_bytes(saved(noise((500, 500), seed=number), "JPEG"))
    assert prepare_images(source, min_size=256).manifest["counts"]["kept"] == 3


def test_equal_sources_options_and_seed_give_equal_corpora(prepare_images: Any, disks: Path) -> None:
    hashes = [prepare_images(disks, **options).sha256 for options in ({}, {}, {"seed": 1}, {"grid": 4})]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.slow
def test_from_captioned_files_to_the_pictures_that_were_asked_for(disks: Path, tmp_path: Path) -> None:
    """A small model on an easy task: black on yellow for one caption, red on white for the other."""
    options = {"image.size": 16, "image.grid": 4, "image.codes": 240, "image.codec_steps": 120, "image.near": "off"}
    corpus = weft.prepare(disks, out=tmp_path / "corpus", options=options)
    run = weft.train(corpus, out=tmp_path / "run", steps=60, batch_size=16, seed=0)
    for prompt, middle in (("red disk", (255, 0, 0)), ("hole", (0, 0, 0))):
        for artifact in run.generate(prompt, n=3, seed=5, creativity="precise"):
            assert artifact.payload.size == (16, 16)
            assert artifact.payload.getpixel((8, 8)) == pytest.approx(middle, abs=70)
    first, again = (run.generate("hole", n=2, seed=3)[1].payload.tobytes() for _ in range(2))
    assert first == again
    path = run.generate(n=1, seed=0)[0].save(tmp_path / "out")
    assert path.suffix == ".png"


@pytest.mark.slow
def test_every_nasty_file_is_used_or_rejected_for_what_it_is(prepare_images: Any) -> None:
    folder = SHARED / "nasty" / "image"
    if not folder.is_dir():
        pytest.skip("the folder of nasty files is not there")
    corpus = prepare_images(folder)
    check_counts(corpus.manifest["counts"])
    rows = [row for row in corpus.verdicts() if row["verdict"] == "rejected"]
    reasons = {row["item"]: row["reason"] for row in rows}
    for name in ("multipage.tiff", "one_pixel.png", "very_wide_4000x3.png"):
        assert reasons.pop(name) == "too-small"
    assert reasons.pop("16bit_gray.tif") == "blank"  # its noise is between 106 and 285 of 65535
    assert set(reasons.values()) == {"unreadable"}
    assert set(reasons) == {
        "bad_crc_header.png", "bad_signature.png", "bomb_20000x20000.png", "bomb_claims_huge.gif",
        "bomb_text_chunk.png", "broken.png", "broken_data_stream.png", "missing_idat.png", "really_text.png",
        "short.bmp", "truncated.jpg", "truncated_end_chunk.png", "unknown_compression.png", "zero_width.gif",
    }  # fmt: skip
    details = {row["item"]: row["detail"] for row in rows}
    assert all("pixels" in details[name] for name in details if name.startswith("bomb_") and "text" not in name)
