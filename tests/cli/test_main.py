"""The command itself: help, errors, exit statuses, what it does not import."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

import weft
from weft.cli.main import COMMANDS, LazyGroup, run
from weft.errors import FolderError
from weft.plugins.loading import load_object
from weft.plugins.validation import BUILT_IN_COMMANDS

HEAVY = ("torch", "numpy", "pydantic", "rich", "PIL", "pyarrow")


def weft_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weft", *arguments], capture_output=True, text=True, check=False, timeout=60, **options
    )


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["train", "--help"], ["generate", "--help"]])
def test_help_and_listing_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from weft.cli.main import run\n"
        f"status = run({arguments!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(loaded, file=sys.stderr); sys.exit(status or bool(loaded))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_the_help_of_train_lists_options_alone() -> None:
    lines = weft_process("train", "--help").stdout.splitlines()
    assert lines[0] == "Usage: weft train [OPTIONS] [CORPUS]..."
    assert not [line for line in lines[1:] if line.startswith("  ") and "CORPUS" in line]
    rows = [line.split()[:2] for line in lines if line.startswith("  --")]
    assert sorted(row for row in rows if row[0] in ("--init-from", "--mix", "--steps")) == [
        ["--init-from", "RUN"],
        ["--mix", "SHARES"],
        ["--steps", "N"],
    ]


def test_prepare_help_lists_plugin_options_without_torch() -> None:
    code = "import sys; from weft.cli.main import run; run(['prepare', '--help']); sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    for modality in ("text", "image", "audio"):
        assert f"Options of {modality} (--set OPTION=VALUE)" in result.stdout


def test_import_weft_imports_nothing_heavy() -> None:
    code = f"import sys, weft; sys.exit(any(name in sys.modules for name in {(*HEAVY, 'click')!r}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_static_help_is_that_of_the_commands() -> None:
    assert set(COMMANDS) == BUILT_IN_COMMANDS
    for name, entry in COMMANDS.items():
        command = load_object(entry.path)
        assert command.name == name
        assert command.params
        assert command.help.strip()


def test_module_and_version() -> None:
    result = weft_process("--version")
    assert result.stdout == f"weft {weft.__version__}\n"
    assert result.returncode == 0


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nope"], "error: No such command 'nope' (see `weft --help`)"),
        (["trian", "c"], "error: No such command 'trian'. Did you mean 'train'? (see `weft --help`)"),
        (["fitfilter"], "error: No such command 'fitfilter'. Did you mean 'fit-filter'? (see `weft --help`)"),
        (["train"], "error: name the folder to write by --out"),
        (["train", "--resume"], "error: name the run to go on with: `weft train --resume RUN`"),
        (
            ["train", "corpora/a", "--resume"],
            "error: there is no run in corpora/a; name the run to go on with: `weft train --resume RUN`",
        ),
        (["train", "--out", "r"], "error: give at least one corpus to train on"),
        (["train", "c", "--out", "r", "--steps", "many"], "error: Invalid value for '--steps'"),
        (
            ["generate", "r", "--temperature", "1", "--creativity", "precise"],
            "error: --creativity sets the temperature",
        ),
        (["generate", "r", "-n", "0"], "error: -n must be at least 1, got 0"),
        (["prepare", "s", "--out", "c", "--set", "size"], "error: --set takes OPTION=VALUE"),
        (["prepare", "s", "--out", "c", "--config", "absent.toml"], "error: --config absent.toml cannot be read"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(expected)
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (FolderError("x is not a corpus"), 2, "error: x is not a corpus\n"),
        (PermissionError(13, "Permission denied", "x"), 2, "error: [Errno 13] Permission denied: 'x'\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_become_a_sentence_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    expected: str,
) -> None:
    def fail(path: object) -> None:
        raise error

    monkeypatch.setitem(vars(weft), "load", fail)
    assert run(["inspect", "x"]) == status
    assert capsys.readouterr().err.lstrip("\n") == expected


def test_a_defect_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(weft), "load", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(["inspect", "x"])


@pytest.mark.parametrize("arguments", [["--debug", "inspect", "x"], ["inspect", "x", "--debug"]])
def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    def fail(path: object) -> None:
        raise FolderError("x is not a corpus")

    monkeypatch.setitem(vars(weft), "load", fail)
    assert run(arguments) == 2
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert captured.endswith("error: x is not a corpus\n")


def test_a_closed_pipe_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        result = subprocess.run(
            [sys.executable, "-m", "weft", "plugins"], stdout=pipe, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert b"Traceback" not in result.stderr
    assert b"Exception" not in result.stderr


def test_an_interrupt_ends_with_130(fake_plugins: Any) -> None:
    source = """
    import weft
    @weft.hookimpl
    def register_commands(register):
        register("wait", "weft_wait.command:wait", "Wait.")
    """
    # Whoever runs the tests in the background may have made this process and its children deaf to interrupts.
    command = """
    import click, signal, time

    @click.command()
    def wait():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        time.sleep(60)
    """
    fake_plugins.install("weft_wait", source, command=command)
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_plugin_adds_a_command(fake_plugins: Any, capsys: pytest.CaptureFixture[str]) -> None:
    source = """
    import weft
    @weft.hookimpl
    def register_commands(register):
        register("play", "weft_play.command:play", "Play a melody.")
        register("sing", "weft_play.command:not_a_command", "Sing.")
    """
    command = "import click\n@click.command()\ndef play():\n    click.echo('la la')\nnot_a_command = 1\n"
    fake_plugins.install("weft_play", source, command=command)
    assert run(["--help"]) == 0
    assert "Play a melody." in capsys.readouterr().out
    assert "weft_play.command" not in sys.modules
    assert run(["play"]) == 0
    assert capsys.readouterr().out == "la la\n"
    assert run(["sing"]) == 2
    assert "is not a click command" in capsys.readouterr().err


def test_plugins_lists_without_importing_and_checks_with(fake_plugins: Any) -> None:
    fake_plugins.install("weft_bad", "import no_such_module", version="0.3")
    listed = weft_process("plugins")
    assert "weft-bad 0.3" in listed.stdout
    assert listed.stderr == ""
    checked = weft_process("plugins", "--check")
    assert checked.returncode == 0
    expected = "weft-bad 0.3  (weft_bad)  quarantined: raised ModuleNotFoundError: No module named 'no_such_module'"
    assert any(line.startswith(expected) for line in checked.stdout.splitlines()), checked.stdout
    rows = [json.loads(line) for line in weft_process("plugins", "--check", "--json").stdout.splitlines()]
    (row,) = [row for row in rows if row["distribution"] == "weft-bad"]
    assert row["status"] == "quarantined"


@pytest.mark.parametrize("arguments", [["--strict-plugins", "plugins"], ["plugins", "--strict-plugins"]])
def test_strict_plugins_makes_a_broken_one_an_error(fake_plugins: Any, arguments: list[str]) -> None:
    fake_plugins.install("weft_bad", "import no_such_module")
    result = weft_process(*arguments)
    assert result.returncode == 2
    assert "weft-bad raised ModuleNotFoundError" in result.stderr
    assert result.stderr.count("\n") == 1


def test_commands_are_listed_in_the_order_of_the_work() -> None:
    module = importlib.import_module("weft.cli.main")
    assert isinstance(module.cli, LazyGroup)
    work = ["demo", "prepare", "train", "merge", "generate", "fit-filter", "inspect", "plot", "why", "plugins"]
    assert list(COMMANDS) == work
