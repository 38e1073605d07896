"""``weft merge``: a run with adapters to one of plain weights."""

from __future__ import annotations

from pathlib import Path

import click

from weft.cli.session import CommandSession, global_options, pass_session


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="NEW", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--checkpoint", default="best", show_default=True, metavar="WHICH", help="best, last, or a step.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@global_options
@pass_session
def merge(session: CommandSession, /, run: Path, out: Path, checkpoint: str, force: bool, as_json: bool) -> None:
    """Fold the adapters of a run into plain weights.

    RUN was trained with --lora; NEW gives what it gives, and is a run like any other.
    """
    from weft.cli.show import print_summary

    reporter = session.reporter()

    import weft

    merged = weft.merge(run, out=out, checkpoint=checkpoint, force=force, reporter=reporter)
    print_summary(merged.summary(), out, as_json=as_json)
