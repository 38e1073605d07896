"""The command ``weft``: finds the command asked for, and turns errors into one sentence and an exit status."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from weft._version import __version__
from weft.cli.leaving import leave
from weft.cli.session import CommandSession, global_options
from weft.cli.together import tell, tell_first, tell_of_peer
from weft.errors import PeerError, PluginError, Stopped, WeftError

USER_ERROR = 2
SIGNALLED = 128
"""To this the number of a signal is added."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a command is, and its line in the help, so that ``--help`` imports no command."""

    path: str
    help: str


COMMANDS = {
    "demo": _Entry("weft.cli.demo:demo", "The whole way on data made on the spot; one page shows it all."),
    "prepare": _Entry("weft.cli.prepare:prepare", "Turn raw files into a corpus: clean, filter, deduplicate, encode."),
    "train": _Entry("weft.cli.train:train", "Train a model on one or several corpora."),
    "merge": _Entry("weft.cli.merge:merge", "Fold the adapters of a run into plain weights."),
    "generate": _Entry("weft.cli.generate:generate", "Generate text, images, audio, ... with a trained run."),
    "fit-filter": _Entry("weft.cli.fit_filter:fit_filter", "Learn which texts to drop from labelled ones."),
    "inspect": _Entry("weft.cli.inspect:inspect", "Show what a corpus or a run is."),
    "plot": _Entry("weft.cli.plot:plot", "Draw the loss curves of several runs into one picture."),
    "why": _Entry("weft.cli.why:why", "Explain what became of one file of a corpus."),
    "plugins": _Entry("weft.cli.plugins:plugins", "List installed plugins; --check imports each."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is run, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from weft.plugins.loading import load_object

        entry = COMMANDS.get(cmd_name) or _plugin_commands().get(cmd_name)
        if entry is None:
            return None
        command = load_object(entry.path)
        if not isinstance(command, click.Command):
            raise PluginError(f"{entry.path} is not a click command; decorate it with @click.command()")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            # Click would suggest one of the commands that it has imported.
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if close:
                raise click.UsageError(f"{error.message} Did you mean {close[0]!r}?", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])
        added = _plugin_commands()
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, added[name].help) for name in sorted(added)])


def _plugin_commands() -> dict[str, _Entry]:
    from weft.plugins.registry import get_registry

    return {name: _Entry(command.path, command.help) for name, command in get_registry().commands().items()}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="weft", message="%(prog)s %(version)s")
@global_options
def cli() -> None:
    """Train and sample your own generative models of text, images and audio.

    \b
    weft prepare photos/ --out corpora/photos
    weft train corpora/photos --out runs/photos --minutes 10
    weft generate runs/photos "a red bicycle" -n 4 --out out/
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status: 0, 2 after an error that the user can mend, 130 after an
    interrupt, 143 after a request to end."""
    session = CommandSession()
    try:
        result: Any = cli.main(list(arguments), prog_name="weft", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USER_ERROR
    except click.ClickException as error:
        _show_usage_error(error)
        return USER_ERROR
    except (click.Abort, KeyboardInterrupt) as error:
        return _show_interrupt(error)
    except BrokenPipeError:
        _let_go_of_stdout()
        return 0
    except (WeftError, OSError) as error:
        _show(error, session)
        return USER_ERROR
    return result if isinstance(result, int) else 0


def main() -> None:
    """The console script."""
    leave(run(sys.argv[1:]))


def _show(error: Exception, session: CommandSession) -> None:
    if session.debug:
        traceback.print_exception(error)
    (tell_of_peer if isinstance(error, PeerError) else tell)(f"error: {error}")


def _show_interrupt(error: BaseException) -> int:
    stopped = error if isinstance(error, Stopped) else error.__cause__  # click makes its own of every interrupt
    if isinstance(stopped, Stopped):
        tell(str(stopped))
        return SIGNALLED + stopped.signal
    tell_first("interrupted")
    return SIGNALLED + signal.SIGINT


def _show_usage_error(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" (see `{context.command_path} --help`)" if context is not None else ""
    tell(f"error: {error.format_message().rstrip('.')}{hint}")


def _let_go_of_stdout() -> None:
    """Keep the interpreter from flushing into a closed pipe (``weft inspect | head``) and complaining about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
