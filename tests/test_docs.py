"""The documentation says what is so: its code runs, its commands exist, and nothing public goes without a word."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import weft
from weft.cli.main import cli
from weft.plugins.hookspecs import Hooks
from weft.training.options import free_options, option_facts

ROOT = Path(__file__).parents[1]
PLUGIN_PAGE = ROOT / "docs" / "writing-a-plugin.md"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_FILE_BLOCK = re.compile(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND_LINE = re.compile(r"^(?:    |\$ )?(weft [a-z].*)$", re.MULTILINE)
_INLINE_COMMAND = re.compile(r"`(weft (?:--)?[a-z][^`]*)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def run_command(arguments: list[str], folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """One command line in a process of its own, with what is in ``site`` installed."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "weft", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def install(page: str, site: Path) -> None:
    """What pip would leave behind of the plugins of the page."""
    files = dict(_FILE_BLOCK.findall(page))
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    register(site, project["name"], project["version"], project["entry-points"]["weft"])
    register(site, "weft-tune-extras", "1.0", {"tune_extras": "weft_tune_extras"})


def documented_keys(section: str) -> list[str]:
    """Keys that docs/json.md lists under a heading."""
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \|", page.split(f"## {section}\n")[1].split("\n## ")[0], re.MULTILINE)


def register(site: Path, name: str, version: str, entry_points: dict[str, str]) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {module}\n" for key, module in entry_points.items()]
    (info / "entry_points.txt").write_text("".join(["[weft]\n", *lines]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    install(PLUGIN_PAGE.read_text(encoding="utf-8"), folder)
    return folder


@pytest.mark.slow
def test_the_plugin_of_the_page_works_as_written(site: Path, tmp_path: Path) -> None:
    (block,) = _SHELL_BLOCK.findall(PLUGIN_PAGE.read_text(encoding="utf-8"))
    install_line, *lines = block.strip().splitlines()
    assert install_line == "pip install ./weft-tune"
    outputs = {}
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "weft"
        done = run_command(arguments, tmp_path, site)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        outputs[arguments[0]] = done.stdout
    assert "weft-tune 1.0  ok" in outputs["plugins"]
    assert "weft-tune-extras 1.0  (tune_extras)  ok" in outputs["plugins"]
    page = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert page.count("<rect") > 8 * 6
    assert "too-short" in page
    lines_of_json = (tmp_path / "demo/tune/generated/artifacts.jsonl").read_text(encoding="utf-8").splitlines()
    assert documented_keys("A corpus") == list(weft.load(tmp_path / "corpora/tunes").summary())
    assert documented_keys("A run") == list(weft.load(tmp_path / "runs/tunes").summary())
    assert [key for key in documented_keys("Artifacts") if key != "text"] == list(json.loads(lines_of_json[0]))
    assert (tmp_path / "runs/tunes/plugins/weft-tune-extras/best-so-far.txt").is_file()
    again = run_command([*shlex.split(lines[3])[1:], "--force"], tmp_path, site)
    assert again.returncode == 0, again.stderr
    tunes = [Path(tmp_path, line).read_text() for line in outputs["generate"].splitlines()]
    assert len(tunes) == 3
    assert all(re.fullmatch(r"([A-G]#?[1-6]:[1248] ?)+\n", tune) for tune in tunes)


def test_the_further_hooks_of_the_page_work(site: Path, tmp_path: Path) -> None:
    (tmp_path / "drone").mkdir()
    for number, notes in enumerate(["C4:2 C4:2 C4:4 C4:4", "C4:2 D4:2 E4:4 F4:4", "C4:2 E4:2 G4:4 C5:4"]):
        (tmp_path / "drone" / f"{number}.tune").write_text(notes)
    assert run_command(["count-notes", "drone/0.tune"], tmp_path, site).stdout == "4\n"
    done = run_command(["prepare", "drone", "--out", "corpus", "--json"], tmp_path, site)
    assert '"rejected": {"monotone": 1}' in done.stdout


def test_the_codec_of_the_page_gives_back_what_went_in(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    codec_module = importlib.import_module("weft_tune.codec")
    notes = importlib.import_module("weft_tune.notes")
    codec = codec_module.TuneCodec()
    tunes = [notes.parse("C4:2 C#4:1 B5:8"), notes.parse("C2:1 C6:4"), ()]
    ids = codec.encode(tunes)
    assert codec.decode(ids) == tunes
    pattern = codec.facts().pattern
    for each in ids:
        assert all(low <= token < high for token, (low, high) in zip(each, pattern * 8, strict=False))


def test_options_that_may_change_on_resume_are_documented() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"Free to change, since no step depends on them, are ([^.]*)\.", page)
    names = {name.replace("-", "_") for name in re.findall(r"`--([a-z-]+)`", listed)}
    every: Any = {facts.name: facts.name for facts in option_facts()}
    assert names == set(free_options(every))


@pytest.mark.parametrize(("flags", "count"), [([], 3), (["--check"], 6)])
def test_the_json_of_plugins_is_documented(site: Path, tmp_path: Path, flags: list[str], count: int) -> None:
    done = run_command(["plugins", "--json", *flags], tmp_path, site)
    assert documented_keys("Plugins")[:count] == list(json.loads(done.stdout.splitlines()[0]))


def test_every_hook_is_described() -> None:
    hooks = [name for name in vars(Hooks) if name.startswith("register_")]
    assert len(hooks) >= 4
    text = PLUGIN_PAGE.read_text(encoding="utf-8")
    assert [name for name in hooks if f"`{name}(register)`" not in text] == []


@pytest.mark.parametrize("name", [name for name in weft.__all__ if name != "__version__"])
def test_every_public_name_has_a_docstring(name: str) -> None:
    value = getattr(weft, name)
    if not inspect.isclass(value) and not inspect.isfunction(value):
        source = inspect.getsource(sys.modules[_home(name)])
        assert re.search(rf'^{name}(: \w+)? = .*\n"""', source, re.MULTILINE), f"weft.{name} is not described"
        return
    own = value.__doc__ if inspect.isfunction(value) else vars(value).get("__doc__")
    assert own, f"weft.{name} has no docstring"
    assert not own.startswith(f"{name}("), f"weft.{name} has the docstring that dataclass makes"


def _home(name: str) -> str:
    return next(module for module, names in vars(weft)["_HOME"].items() if name in names)


def command_lines() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        if page.name == "reference.md":
            continue
        text = page.read_text(encoding="utf-8")
        for line in [*_COMMAND_LINE.findall(text), *_INLINE_COMMAND.findall(text)]:
            yield from ((page, each) for each in re.split(r"\s+&&\s+|\s{3,}#", line) if each.startswith("weft "))


def test_there_are_commands_to_check() -> None:
    assert len(list(command_lines())) > 10


@pytest.mark.parametrize(
    ("page", "line"), list(command_lines()), ids=lambda value: value.name if isinstance(value, Path) else value[:60]
)
def test_every_command_exists_with_its_options(page: Path, line: str) -> None:
    name, *rest = shlex.split(line)[1:]
    if name == "--help":
        return
    context = click.Context(cli, info_name="weft")
    command = cli.get_command(context, name)
    assert command is not None, f"{page.name}: there is no command {name}"
    flags = {flag for parameter in command.get_params(context) for flag in parameter.opts} | {"--help"}
    used = {argument.partition("=")[0] for argument in rest if re.match(r"--?[a-z]", argument)}
    assert used <= flags, f"{page.name}: {line}"
    # What only names a command, or an option of it, is no command line that could be parsed as a whole.
    if len(rest) > 1 and "--help" not in rest:
        command.make_context(name, rest, parent=context).close()


def test_the_python_of_the_readme_calls_what_there_is() -> None:
    (block,) = _PYTHON_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    callees = {
        "weft.prepare": weft.prepare,
        "weft.train": weft.train,
        "run.generate": functools.partial(weft.Run.generate, None),
        "artifact.save": functools.partial(weft.Artifact.save, None),
    }
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    assert {ast.unparse(call.func) for call in calls} == set(callees)
    for call in calls:
        named = {str(keyword.arg): None for keyword in call.keywords}
        inspect.signature(callees[ast.unparse(call.func)]).bind(*call.args, **named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_is_listed() -> None:
    decisions = ROOT / "docs" / "decisions"
    listed = _LINK.findall((decisions / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(page.name for page in decisions.glob("*.md") if page.name != "README.md")


def test_the_reference_is_that_of_the_code() -> None:
    specification = importlib.util.spec_from_file_location("write_reference", ROOT / "docs" / "write_reference.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == "\n".join(module.reference()) + "\n", "run `make docs`"


def test_ten_lines_of_numpy_read_a_corpus(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    (code,) = _PYTHON_BLOCK.findall(page)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "books").mkdir()
    for number in range(30):
        (tmp_path / "books" / f"{number}.txt").write_text(
            f"The tide of day {number} came in at {number * 7 % 12}.\n" * 3
        )
    corpus = weft.prepare(tmp_path / "books", out=tmp_path / "corpora" / "books").folder
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    first = corpus.layer("payload", corpus.codec_hash("text"))[0]
    numbers = re.findall(r"\d+", done.stdout)
    assert done.stdout.startswith(f"text {len(corpus)} parts")
    assert list(map(int, numbers[1:])) == first[:10].tolist()
    assert [name for name in corpus.manifest["files"] if name.split("/")[0] not in page] == []
