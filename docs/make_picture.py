"""Makes ``docs/images/demo.png``, the picture in the README, of the page of a real demo.

    weft demo --out demo && python docs/make_picture.py demo

The page is shown as it is, less everything but some of what was generated. Needs Chromium (or Chrome) on the path, and
Pillow, which the image plugin brings.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import click
from PIL import Image, ImageChops

TARGET = Path(__file__).parent / "images" / "demo.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, TALLEST = 1200, 3000
MARGIN = 24
COLORS = 128

STYLE = """
body { max-width: none; padding: 1rem 1.5rem; }
header, footer, #own, section > :not(h2, .groups) { display: none; }
section { margin: 0; padding: .8rem 0; border: 0; }
#text .cards { --least: 20rem; }
#text .group:nth-child(n + 2), #image .group:nth-child(n + 7), #audio .card:not(:nth-child(3n + 1)) { display: none; }
#image .groups { grid-template-columns: repeat(3, 1fr) !important; }
#audio .cards { --least: 12rem; }
"""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


@click.command()
@click.argument("demo", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(demo: Path) -> None:
    """Take the picture of DEMO, a folder that `weft demo` made."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise click.ClickException(f"no browser was found; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as temporary:
        page, shot = Path(temporary) / "page.html", Path(temporary) / "shot.png"
        page.write_text(reduced(demo), encoding="utf-8")
        size = f"--window-size={WIDTH},{TALLEST}"
        profile = f"--user-data-dir={temporary}/profile"
        command = [browser, *FLAGS, size, profile, f"--screenshot={shot}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(shot) as image:
            picture = trimmed(image.convert("RGB"))
    TARGET.parent.mkdir(exist_ok=True)
    picture.quantize(COLORS).save(TARGET, optimize=True)
    click.echo(f"wrote {TARGET}, {TARGET.stat().st_size / 1000:.0f} kB")


def reduced(demo: Path) -> str:
    """The page with less to show, its links pointing into the demo."""
    head = f'<base href="{demo.resolve().as_uri()}/"><style>{STYLE}</style></head>'
    return (demo / "index.html").read_text(encoding="utf-8").replace("</head>", head, 1)


def trimmed(image: Image.Image) -> Image.Image:
    """Without the empty part at the bottom."""
    empty = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    box = ImageChops.difference(image, empty).getbbox()
    return image.crop((0, 0, image.width, min(image.height, (box[3] if box else image.height) + MARGIN)))


if __name__ == "__main__":
    main()
