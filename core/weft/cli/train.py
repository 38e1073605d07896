"""``weft train``: corpora to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weft.cli.session import CommandSession, global_options, pass_session


@click.command()
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="RUN", type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--size", default="nano", show_default=True, metavar="NAME", help="nano, micro, mini, small, base, large."
)
@click.option("--steps", type=int, help="Optimizer steps.")
@click.option("--minutes", type=float, help="Time budget; becomes a number of steps before the first one.")
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--batch-size", type=int, help="Documents or windows a step; derived from the size without it.")
@click.option("--micro-batches", default=1, show_default=True, help="Parts of a step, to save memory.")
@click.option("--context", type=int, help="Context length in tokens; derived from the data without it.")
@click.option("--learning-rate", type=float, help="Peak rate of Muon; that of AdamW follows from it.")
@click.option("--dropout", type=float, help="Share of activations zeroed; derived from the data without it.")
@click.option("--threads", type=int, help="CPU threads.")
@click.option("--device", metavar="NAME", help="cpu, cuda or mps; the best there is without it.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@global_options
@pass_session
def train(session: CommandSession, /, corpora: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Train a model on one or several corpora."""
    from weft.cli.show import print_summary

    reporter = session.reporter()

    import weft

    run = weft.train(list(corpora), out=out, reporter=reporter, **options)
    print_summary(run.summary(), out, as_json=as_json)
