"""What holds for every command: how errors and progress are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from weft.interfaces.progress import Reporter

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class CommandSession:
    """The global options, which may stand before or after the name of a command.

    Attributes:
        debug: Show tracebacks.
        quiet: Show warnings and errors only.
        strict_plugins: A plugin in quarantine is an error.
    """

    debug: bool = False
    quiet: bool = False
    strict_plugins: bool = False

    def reporter(self) -> Reporter:
        """Where the progress of a command goes. The first call also tells of plugins in quarantine."""
        from weft.cli.progress import make_reporter
        from weft.plugins.registry import get_registry

        reporter = make_reporter(quiet=self.quiet)
        for each in get_registry().quarantined:
            reporter.warn(f"the plugin {each.plugin.distribution} is set aside: it {each.reason}")
        return reporter


pass_session = click.make_pass_decorator(CommandSession, ensure=True)


def global_options(command: F) -> F:
    """Add the options that every command takes."""
    for name, text in (
        ("strict_plugins", "Make a plugin that fails to load an error."),
        ("quiet", "Show warnings and errors only."),
        ("debug", "Show the traceback of an error."),
    ):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, name, is_flag=True, expose_value=False, callback=_remember, help=text)(command)
    return command


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    session = context.ensure_object(CommandSession)
    if not value or parameter.name is None:
        return
    setattr(session, parameter.name, True)
    if parameter.name == "strict_plugins":
        from weft.plugins.registry import get_registry

        get_registry(strict=True)
