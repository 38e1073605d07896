"""``weft why``: what became of one file."""

from __future__ import annotations

from pathlib import Path

import click

from weft.cli.session import global_options


@click.command()
@click.argument("corpus", metavar="CORPUS", type=click.Path(path_type=Path))
@click.argument("file", metavar="FILE")
@click.option("--sample", metavar="N", type=click.IntRange(min=0), help="One sample of the file, counted from 0.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@global_options
def why(corpus: Path, file: str, sample: int | None, as_json: bool) -> None:
    """Explain what became of one FILE of a corpus, and why.

    FILE is the name of an item (a path inside the source), its path as you would type it, or the end of its name where
    only one ends so; FILE#N is its sample N.
    """
    import dataclasses
    import json

    from weft.preparation.report.tell import tell
    from weft.preparation.report.why import explain
    from weft.storage.corpus import CorpusFolder

    explanation = explain(CorpusFolder.open(corpus), file, sample)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(explanation), ensure_ascii=False))
        return
    for line in tell(explanation):
        click.echo(line)
