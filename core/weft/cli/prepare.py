"""``weft prepare``: raw files to a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.session import CommandSession, global_options, pass_session

if TYPE_CHECKING:
    from weft.interfaces.source import Source


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


def _from_config(config: Path, sources: Sequence[Source], modality: str | None) -> tuple[str, dict[str, Any]]:
    """The modality, inferred where it is not named, and what the file sets for it."""
    from weft.cli.settings import read_config, settings_for
    from weft.plugins.official import OFFICIAL_PLUGINS
    from weft.plugins.registry import get_registry
    from weft.preparation.infer import modality_of

    registry = get_registry()
    tables = read_config(config, {*registry.modalities, *(plugin.modality for plugin in OFFICIAL_PLUGINS)})
    modality = modality or modality_of(sources, registry)
    return modality, settings_for(modality, tables)


def _all_sources(
    locations: Sequence[str], config: Path | None, license_name: str | None, origin: str | None
) -> list[Source]:
    """Those of the command line, then those of the file."""
    from weft.cli.settings import read_sources
    from weft.interfaces.source import Source

    sources = [Source(location, license=license_name, origin=origin) for location in locations]
    return sources + (read_sources(config) if config is not None else [])


@click.command(cls=PrepareCommand)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--out", required=True, metavar="CORPUS", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--modality", metavar="NAME", help="What the sources are; inferred from their files without it.")
@click.option(
    "--quality", metavar="PRESET", help="How strictly to judge: off, or web for pages and files of strangers."
)
@click.option("--tokens", metavar="N", help="About what an image, or a second of audio, costs the model.")
@click.option("--set", "assignments", metavar="OPTION=VALUE", multiple=True, help="An option of the modality.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML file: options in the modality's table, further sources as [[sources]].",
)
@click.option("--license", "license_name", metavar="NAME", help="License of what states none of its own.")
@click.option("--origin", metavar="TEXT", help="Where the sources are from; written into the corpus.")
@click.option("--append", is_flag=True, help="Add what is new to the corpus that is there, by its options and codecs.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--codec", metavar="CORPUS", type=click.Path(path_type=Path), help="Use the codecs of that corpus.")
@click.option(
    "--exclude", metavar="CORPUS", multiple=True, type=click.Path(path_type=Path), help="Keep out what is in it."
)
@click.option("--harm", default="on", type=click.Choice(["on", "off"]), show_default=True, help="Leave harm out.")
@click.option(
    "--filter",
    "filters",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A filter of `weft fit-filter`, or a word list.",
)
@click.option("--seed", default=0, show_default=True, help="Decides the split and how the codec learns.")
@click.option("--processes", type=int, metavar="N", help="How many read and clean; one a processor without it.")
@click.option(
    "--engine",
    default="local",
    type=click.Choice(["local", "ray"]),
    show_default=True,
    help="Where they run: here, or on a Ray cluster.",
)
@click.option(
    "--limit", "limits", metavar="NAME=N", multiple=True, help="What archives may cost: members, member_bytes, ratio."
)
@click.option("--item-seconds", default=300.0, show_default=True, help="Give an item up that takes longer to read.")
@click.option("--threads", default=1, show_default=True, help="CPU threads for codecs; part of what decides them.")
@click.option("--device", metavar="NAME", help="Where codecs learn: cpu, cuda or mps; the best there is without it.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@global_options
@pass_session
def prepare(
    session: CommandSession,
    /,
    sources: tuple[str, ...],
    modality: str | None,
    quality: str | None,
    tokens: str | None,
    assignments: tuple[str, ...],
    config: Path | None,
    license_name: str | None,
    origin: str | None,
    harm: str,
    limits: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Turn raw files into a corpus: clean, filter, deduplicate, encode.

    A SOURCE is a file, a folder, an archive, a pattern or a URL. A preparation that was killed goes on where it was
    when the same command is given again.
    """
    from weft.cli.settings import read_assignments, read_limits
    from weft.cli.show import print_summary

    everything = _all_sources(sources, config, license_name, origin)
    shorthands = {name: value for name, value in (("quality", quality), ("tokens", tokens)) if value is not None}
    settings = {**shorthands, **read_assignments(assignments)}
    if config is not None:
        modality, own = _from_config(config, everything, modality)
        settings = {**own, **{name if "." in name else f"{modality}.{name}": settings[name] for name in settings}}
    reporter = session.reporter()

    import weft

    corpus = weft.prepare(
        everything,
        modality=modality,
        options=settings,
        harm=harm == "on",
        limits=read_limits(limits),
        reporter=reporter,
        **given,
    )
    print_summary(corpus.summary(), corpus.path, as_json=as_json)
