"""``weft inspect``: what a folder is."""

from __future__ import annotations

from pathlib import Path

import click

from weft.cli.session import global_options


@click.command()
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--all", "whole", is_flag=True, help="Show everything that --json has, settings and hashes included.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@global_options
def inspect(path: Path, whole: bool, as_json: bool) -> None:
    """Show what a corpus or a run is: counts, rejections by reason, codec, parameters, losses."""
    import weft
    from weft.cli.show import print_summary

    print_summary(weft.load(path).summary(), path, as_json=as_json, whole=whole)
