"""``weft prepare``: raw files to a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from weft.cli.session import CommandSession, global_options, pass_session


class PrepareCommand(click.Command):
    """Lists the options of every installed modality in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from weft.errors import PluginError
        from weft.plugins.options import describe
        from weft.plugins.registry import get_registry

        super().format_options(ctx, formatter)
        registry = get_registry()
        for name in registry.modalities:
            try:
                rows = describe(registry.options_class(name))
            except PluginError as error:
                rows = []
                formatter.write_text(f"The options of {name} cannot be listed: {error}")
            if rows:
                with formatter.section(f"Options of {name} (--set OPTION=VALUE)"):
                    formatter.write_dl([(f"{name}.{row.name}", _row_help(row)) for row in rows])


def _row_help(row: object) -> str:
    from weft.plugins.options import OptionRow

    assert isinstance(row, OptionRow)
    facts = [row.type, row.allowed, f"default {row.default}"]
    return f"{row.help}  [{'; '.join(fact for fact in facts if fact)}]"


def _from_config(config: Path, sources: Sequence[Path], modality: str | None) -> tuple[str, dict[str, Any]]:
    """The modality, inferred where it is not named, and what the file sets for it."""
    from weft.cli.settings import read_config, settings_for
    from weft.plugins.official import OFFICIAL_PLUGINS
    from weft.plugins.registry import get_registry
    from weft.preparation.infer import modality_of

    registry = get_registry()
    tables = read_config(config, {*registry.modalities, *(plugin.modality for plugin in OFFICIAL_PLUGINS)})
    modality = modality or modality_of(sources, registry)
    return modality, settings_for(modality, tables)


@click.command(cls=PrepareCommand)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="CORPUS", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--modality", metavar="NAME", help="What the sources are; inferred from their files without it.")
@click.option("--set", "assignments", metavar="OPTION=VALUE", multiple=True, help="An option of the modality.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Options from the modality's table in a TOML file.",
)
@click.option("--seed", default=0, show_default=True, help="Decides the split and how the codec learns.")
@click.option("--threads", default=1, show_default=True, help="CPU threads for codecs; part of what decides them.")
@click.option("--device", metavar="NAME", help="Where codecs learn: cpu, cuda or mps; the best there is without it.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@global_options
@pass_session
def prepare(
    session: CommandSession,
    sources: tuple[Path, ...],
    out: Path,
    modality: str | None,
    assignments: tuple[str, ...],
    config: Path | None,
    seed: int,
    threads: int,
    device: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Turn raw files into a corpus: clean, filter, deduplicate, encode."""
    from weft.cli.settings import read_assignments
    from weft.cli.show import print_summary

    settings = read_assignments(assignments)
    if config is not None:
        modality, own = _from_config(config, sources, modality)
        settings = {**own, **settings}
    reporter = session.reporter()

    import weft

    corpus = weft.prepare(
        list(sources),
        out=out,
        modality=modality,
        options=settings,
        seed=seed,
        force=force,
        threads=threads,
        device=device,
        reporter=reporter,
    )
    print_summary(corpus.summary(), out, as_json=as_json)
