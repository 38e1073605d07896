"""``weft demo``: every modality that is installed goes the whole way, and one page tells of it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run
from weft.cli.showcase.chart import HEIGHT, WIDTH, loss_chart
from weft.pages.axis import ticks
from weft.pages.gallery import EXCERPT, excerpt

ENTRY = """
    import weft

    @weft.hookimpl
    def register_modalities(register):
        register(weft.Modality(
            name="MODALITY", extensions={".beads"}, summary="beads on a string", preparer="PACKAGE.parts:Preparer",
            payload="PACKAGE.parts:Format", codecs={"MODALITY-rule": "PACKAGE.parts:Rule"},
            generator="weft:TokenGenerator", options="PACKAGE.parts:Options", demo="PACKAGE.parts:DEMO",
        ))
"""

PARTS = """
    import html, random
    from dataclasses import dataclass
    import numpy as np
    import weft

    COLORS = "rgb"

    @dataclass(frozen=True)
    class Options:
        most: int = weft.option(12, "longest string")

    class Preparer(weft.Preparer):
        def read(self, item):
            text = item.read_bytes().decode().strip()
            if set(text) - set(COLORS):
                raise weft.UnreadableError("a bead is neither r, g nor b")
            yield weft.Sample(text.encode(), item.caption())

        def clean(self, sample):
            return sample

        def fit_codec(self, samples, held_out, fit):
            return weft.FittedCodec(Rule(), {"beads": 3.0})

    class Format(weft.PayloadFormat):
        extension = ".beads"

        def to_bytes(self, payload):
            return payload

        def from_bytes(self, data):
            return data

        def html(self, payload, path, *, title):
            path.with_suffix(".beads").write_bytes(payload)
            href, label = f"{path.parent.name}/{path.name}.beads", html.escape(title)
            return f'<a class="beads" title="{label}" href="{href}">{payload.decode()}</a>'

    class Rule(weft.Codec):
        name = "MODALITY-rule"
        vocab_size = 3

        def encode(self, payloads):
            return [np.array([COLORS.index(chr(bead)) for bead in payload], dtype=np.int32) for payload in payloads]

        def decode(self, ids):
            return ["".join(COLORS[i] for i in each).encode() for each in ids]

        def facts(self):
            return weft.CodecFacts(pattern=((0, 3),))

        def save(self, folder):
            (folder / "rule.json").write_text("{}")

        @classmethod
        def load(cls, folder):
            return cls()

    class Demo(weft.Demo):
        title = "Beads & <b>more</b>"
        about = "Strings of beads."

        def write_source(self, folder, seed):
            chance = random.Random(seed)
            for name in ("first_color", "<img src=x onerror=alert(1)>"):
                (folder / name).mkdir()
                for number in range(20):
                    beads = chance.choice(COLORS) * chance.randint(1, 4) + "".join(chance.choices(COLORS, k=8))
                    (folder / name / f"{number}.beads").write_text(beads)
            (folder / "<script>bad.beads").write_text("rgbx <i>")

        def requests(self):
            return [
                weft.DemoRequest("first color", n=2, sampling={"temperature": 0.5, "guidance": 1.5, "seed": 7}),
                weft.DemoRequest('"><i>x', n=2, sampling={"temperature": 1.25, "guidance": 1.5}),
            ]

    class Raising(Demo):
        def requests(self):
            raise RuntimeError("no <i>ideas</i>")

    class Mute(Demo):
        def __init__(self):
            raise RuntimeError("cannot be made")
"""

Install = Callable[..., None]


@pytest.fixture
def install(fake_plugins: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """A function that installs the modality of this test; the plugins of the project itself are off."""
    monkeypatch.setenv("WEFT_DISABLE_PLUGINS", "text,image,audio")
    monkeypatch.chdir(tmp_path)

    def named(modality: str = "beads", demo: str = "Demo") -> None:
        package = f"weft_{modality}"

        def fill(text: str) -> str:
            return text.replace("MODALITY", modality).replace("PACKAGE", package).replace("DEMO", demo)

        fake_plugins.install(package, fill(ENTRY), parts=fill(PARTS))

    return named


class Page(HTMLParser):
    """What a page is made of; complains about tags that are not closed."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]


def test_an_installed_modality_goes_the_whole_way(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    assert run(["demo", "--steps", "2", "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"{Path('demo', 'index.html')}\n"
    folder = Path("demo/beads")
    assert sorted(path.name for path in folder.iterdir()) == ["corpus", "generated", "run", "source"]
    assert weft.load(folder / "corpus").summary()["seed"] == 3
    assert weft.load(folder / "run").summary()["step"] == 2
    lines = (folder / "generated" / "artifacts.jsonl").read_text(encoding="utf-8").splitlines()
    artifacts = [json.loads(line) for line in lines]
    assert [each["seed"] for each in artifacts] == [7, 8, 3, 4]
    assert all((folder / "generated" / each["path"]).is_file() for each in artifacts)


def test_the_page_shows_it_all_and_escapes_what_it_shows(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    assert run(["demo", "--steps", "2"]) == 0
    page = Page(Path("demo/index.html"))
    expected = [
        "Beads & <b>more</b>", "Strings of beads.", "first color", '"><i>x',
        "<img src=x onerror=alert(1)>", "<script>bad.beads", "unreadable", "a bead is neither r, g nor b",
        "41, of which 1 could not be read", "40 kept, 0 rejected", "beads-rule, 3 ids, beads 3",
        "Held-out nats per token", "2 steps", "best on held-out data", "temperature\xa00.5", "temperature\xa01.25",
        "guidance\xa01.5", "seed\xa07", "weft prepare my-files/", "weft.prepare(", ".beads",
    ]  # fmt: skip
    assert [text for text in expected if text not in page.text] == []
    assert {tag for tag, _ in page.tags} & {"script", "img", "i"} == set()
    assert [tag for tag, _ in page.tags].count("polyline") == 2
    for artifact in Path("demo/beads/generated").glob("*.beads"):
        assert artifact.read_text() in page.text


def test_every_link_is_relative_and_leads_somewhere(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    assert run(["demo", "--steps", "2", "--out", "deep/down"]) == 0
    page = Page(Path("deep/down/index.html"))
    links = [*page.values("href"), *page.values("src")]
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= set(page.values("id"))
    files = [link for link in links if not link.startswith("#")]
    assert len(files) == 4 + 12
    assert all(not link.startswith(("/", ".")) and ":" not in link for link in files)
    assert all((Path("deep/down") / link).is_file() for link in files)
    assert "url(" not in Path("deep/down/index.html").read_text(encoding="utf-8")


def test_the_command_on_the_page_makes_the_first_artifact_again(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install()
    assert run(["demo", "--steps", "2"]) == 0
    command = next(line for line in Page(Path("demo/index.html")).text.splitlines() if "weft generate demo" in line)
    assert run([*shlex.split(command)[1:], "--out", "again"]) == 0
    (again,) = Path("again").iterdir()
    assert again.read_bytes() == Path("demo/beads/generated/01-seed-7.beads").read_bytes()


def test_equal_seeds_give_equal_artifacts(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    for out in ("a", "b"):
        assert run(["demo", "--steps", "2", "--out", out, "--seed", "5"]) == 0
    first, second = (sorted(Path(out, "beads/generated").iterdir()) for out in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(("demo", "reason"), [("Raising", "no <i>ideas</i>"), ("Mute", "cannot be made")])
def test_one_that_fails_does_not_take_the_others_with_it(
    install: Install, capsys: pytest.CaptureFixture[str], demo: str, reason: str
) -> None:
    install("beads")
    install("pearls", demo)
    assert run(["demo", "--steps", "2"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{Path('demo', 'index.html')}\n"
    assert "warning: the demo of pearls failed" in captured.err
    assert "Traceback" not in captured.err
    page = Page(Path("demo/index.html"))
    assert reason in page.text
    assert "Failed at the stage" in page.text
    assert len(list(Path("demo/beads/generated").glob("*.beads"))) == 4
    assert Path("demo/pearls/run").is_dir() == (demo == "Raising")


def test_a_payload_that_cannot_be_shown_fails_its_modality_alone(
    install: Install, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("beads")
    install("pearls")
    parts = fake_plugins.site / "weft_pearls" / "parts.py"
    parts.write_text(parts.read_text().replace("href, label =", "raise OSError('no ink'); href, label ="))
    assert run(["demo", "--steps", "2"]) == 1
    page = Page(Path("demo/index.html"))
    assert "Failed at the stage “page”" in page.text
    assert "no ink" in page.text
    assert len(list(Path("demo/page-files").glob("beads-*.beads"))) == 4 + 12


def test_debug_shows_why_a_modality_failed(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(demo="Mute")
    assert run(["--debug", "demo"]) == 1
    assert "RuntimeError: cannot be made" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_not_there_in_part(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install()

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("weft.cli.showcase.page.render", interrupt)
    assert run(["demo", "--steps", "2"]) == 130
    assert not Path("demo/index.html").exists()
    monkeypatch.undo()


def test_only_a_demo_is_replaced_and_only_with_force(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(demo="Mute")
    assert run(["demo"]) == 1
    assert run(["demo"]) == 2
    assert "demo is not empty; choose another or pass --force" in capsys.readouterr().err
    assert run(["demo", "--force"]) == 1
    Path("demo/thesis.doc").write_text("mine")
    assert run(["demo", "--force"]) == 2
    assert "--force does not replace it" in capsys.readouterr().err
    assert Path("demo/thesis.doc").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--modality", "smell"), "no installed plugin provides the modality 'smell'"),
        (("--modality", "image"), "WEFT_DISABLE_PLUGINS turns weft-image off"),
        (("--steps", "0"), "--steps must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(
    install: Install, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    install()
    assert run(["demo", *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not Path("demo").exists()


def test_without_any_demo_there_is_a_sentence(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"]) == 2
    assert "no installed plugin brings a demo; install weft-text" in capsys.readouterr().err


def test_named_modalities_alone_take_part(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("beads", "Mute")
    install("pearls", "Mute")
    assert run(["demo", "--modality", "pearls", "--modality", "pearls"]) == 1
    assert json.loads(Path("demo/demo.json").read_text())["modalities"] == ["pearls"]


def test_a_chart_has_its_lines_inside_and_its_best_lowest() -> None:
    train: list[dict[str, float]] = [{"step": step, "loss": 6 / math.sqrt(step)} for step in range(10, 9_000, 10)]
    held_out = [
        {"step": step, "validation/loss": abs(step - 300) / 300 + 1, "validation/x/nats_per_token": 1.0}
        for step in range(100, 1000, 100)
    ]
    chart = loss_chart([*train, *held_out])
    assert chart is not None
    assert chart.best is not None
    assert chart.best.step == 300
    assert len(chart.train) < 300
    for point in (*chart.train, *chart.held_out):
        assert chart.left <= point.x <= chart.right <= WIDTH
        assert chart.top <= point.y <= chart.bottom <= HEIGHT
    assert all(chart.left <= tick.place <= chart.right for tick in chart.steps)
    assert "nats per token from" in chart.summary
    assert chart.best.y == max(point.y for point in chart.held_out)


def test_a_run_without_losses_has_no_chart() -> None:
    assert loss_chart([]) is None
    chart = loss_chart([{"step": 1, "loss": 2.0}])
    assert chart is not None
    assert chart.best is None
    assert "held-out" not in chart.summary
    assert "nats" not in chart.summary


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1.5, 6.2), (0, 1437), (3.0, 3.0), (0.001, 0.0017)])
def test_ticks_are_few_and_around_the_values(low: float, high: float) -> None:
    places = ticks(low, high, 5)
    assert places[0] <= low
    assert places[-1] >= high
    assert 2 <= len(places) <= 8


def test_long_texts_are_shown_by_their_beginning() -> None:
    text = "word " * 1000
    assert len(excerpt(text)) <= EXCERPT + 2
    assert excerpt(text).endswith("word …")
    assert excerpt("short") == "short"
    assert excerpt(b"bytes" * 1000) == b"bytes" * 1000
    assert excerpt("x" * 1000) == "x" * EXCERPT + " …"
