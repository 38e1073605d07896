"""``weft plot``: loss curves of runs in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weft.cli.session import CommandSession, global_options, pass_session


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", default="loss.png", show_default=True, metavar="FILE", type=click.Path(path_type=Path),
    help="File to write: .png, .pdf or .svg.",
)  # fmt: skip
@click.option(
    "--x", "axis", type=click.Choice(["steps", "tokens", "minutes"]), default="steps", show_default=True,
    help="What stands on the x axis.",
)  # fmt: skip
@click.option("--log-x", is_flag=True, help="Logarithmic x axis.")
@click.option("--log-y", is_flag=True, help="Logarithmic y axis.")
@click.option("--force", is_flag=True, help="Replace a file that is already there.")
@global_options
@pass_session
def plot(session: CommandSession, /, runs: tuple[Path, ...], **options: Any) -> None:
    """Draw the loss curves of one or several runs into one picture.

    Training loss is a line, smoothed; held-out loss is points. What cannot be compared, such as nats per token of
    different codecs, gets a panel of its own.
    """
    import weft

    out = weft.plot(runs, **options)
    if not session.quiet:
        click.echo(out)
