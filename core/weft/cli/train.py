"""``weft train``: corpora to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weft.cli.session import CommandSession, global_options, pass_session


@click.command()
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="RUN", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--size", metavar="NAME", help="nano (without it), micro, mini, small, base or large.")
@click.option("--steps", type=int, help="Optimizer steps.")
@click.option("--minutes", type=float, help="Time budget; 5 without --steps. Becomes a number of steps at once.")
@click.option("--seed", type=int, help="Of everything random; 0 without it.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped, or begin it.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--batch-size", type=int, help="Documents or windows a step; derived from the size without it.")
@click.option("--micro-batches", type=int, help="Parts that a step is computed in, to save memory; 1 without it.")
@click.option("--context", type=int, help="Context length in tokens; derived from the data without it.")
@click.option("--learning-rate", type=float, help="Peak rate of Muon; that of AdamW follows from it.")
@click.option("--dropout", type=float, help="Share of activations zeroed; derived from the data without it.")
@click.option("--threads", type=int, help="CPU threads; as many as torch takes without it.")
@click.option("--device", metavar="NAME", help="cpu, cuda or mps; the best there is, or where the run began.")
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
