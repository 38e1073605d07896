"""``weft demo``: the whole way on data made on the spot."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from weft.cli.session import CommandSession, global_options, pass_session
from weft.errors import OptionError

FAILED = 1
"""Exit status where a modality failed, though the page was made."""


@click.command()
@click.option(
    "--out", default="demo", show_default=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder to write."
)
@click.option("--modality", "modalities", metavar="NAME", multiple=True, help="Only this one; may be given repeatedly.")
@click.option("--seed", default=0, show_default=True, help="Of everything random, the sources included.")
@click.option("--steps", type=int, help="Optimizer steps of each model, instead of the minutes that suit it.")
@click.option("--force", is_flag=True, help="Replace a demo that is already there.")
@global_options
@pass_session
def demo(
    session: CommandSession, out: Path, modalities: tuple[str, ...], seed: int, steps: int | None, force: bool
) -> int:
    """The whole way on data made on the spot; one page shows it all.

    For each installed modality: make raw files, prepare them, train a model on them and generate with it. The last
    line printed is where the page is. Where a modality fails the others go on, the page says so, and the exit status
    is 1.
    """
    if steps is not None and steps < 1:
        raise OptionError(f"--steps must be at least 1, got {steps}")
    reporter = session.reporter()

    from weft.cli.showcase.chapter import Wishes
    from weft.cli.showcase.make import make_demo
    from weft.plugins.registry import get_registry
    from weft.storage.ownership import DEMO_PAGE

    chapters = make_demo(out, modalities, Wishes(seed, steps), force=force, registry=get_registry(), reporter=reporter)
    failures = [chapter.error for chapter in chapters if chapter.error is not None]
    if session.debug:
        for error in failures:
            traceback.print_exception(error)
    click.echo(out / DEMO_PAGE)
    return FAILED if failures else 0
