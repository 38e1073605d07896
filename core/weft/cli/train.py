"""``weft train``: corpora to a run."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click

from weft.cli.session import CommandSession, global_options, pass_session


class TrainCommand(click.Command):
    """Takes the options of training from their declaration, and lists them in its sections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from weft.training.options import option_facts

        self._own = [each for each in self.params if isinstance(each, click.Option)]
        self._sections: dict[str, list[click.Parameter]] = {}
        for section, group in itertools.groupby(option_facts(), key=lambda facts: facts.section):
            self._sections[section] = [_option(facts) for facts in group]
            self.params += self._sections[section]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, parameters in {"Options": [*self._own, *self._help(ctx)], **self._sections}.items():
            records = [record for each in parameters if (record := each.get_help_record(ctx)) is not None]
            with formatter.section(section):
                formatter.write_dl(records)

    def _help(self, ctx: click.Context) -> list[click.Parameter]:
        option = self.get_help_option(ctx)
        return [] if option is None else [option]


def _option(facts: Any) -> click.Option:
    flag = f"--{facts.name.replace('_', '-')}"
    if facts.type is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", facts.name], default=None, help=facts.help)
    kind: Any = click.Choice(facts.choices) if facts.choices else facts.type
    metavar = None if facts.choices else facts.metavar
    return click.Option([flag, facts.name], type=kind, metavar=metavar, help=facts.help)


@click.command(cls=TrainCommand)
@click.argument("corpora", metavar="[CORPUS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", metavar="RUN", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped, or begin it.")
@click.option("--force", is_flag=True, help="Replace a Weft folder that is already there.")
@click.option("--dry-run", is_flag=True, help="Say what training would take; no run is made.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@global_options
@pass_session
def train(
    session: CommandSession,
    /,
    corpora: tuple[Path, ...],
    out: Path | None,
    resume: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a model on one or several corpora.

    `weft train --resume RUN` goes on with a run, with the corpora and options that it was begun with.
    """
    if dry_run and resume:
        raise click.UsageError("a dry run is of a training that begins; leave out --resume or --dry-run")
    if out is None and resume:
        corpora, out = (), _to_resume(corpora)
    if out is None and not dry_run:
        raise click.UsageError("name the folder to write by --out")
    reporter = session.reporter()

    import weft
    from weft.training.world import rank_here

    if out is None or dry_run:
        plan = weft.plan(list(corpora), reporter=reporter, **options).to_json()
        if rank_here() == 0:
            _print_plan(plan, as_json=as_json)
        return
    from weft.cli.show import print_summary

    run = weft.train(list(corpora), out=out, resume=resume, force=force, reporter=reporter, **options)
    if rank_here() == 0:
        print_summary(run.summary(), out, as_json=as_json)


def _to_resume(named: tuple[Path, ...]) -> Path:
    """The run that is named in the place of corpora."""
    if len(named) == 1 and (named[0] / "run.json").exists():
        return named[0]
    if len(named) == 1:
        raise click.UsageError(f"there is no run in {named[0]}; name the run to go on with: `weft train --resume RUN`")
    raise click.UsageError("name the run to go on with: `weft train --resume RUN`")


def _print_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    from weft.cli.plan_text import plan_text

    for line in [json.dumps(plan, ensure_ascii=False)] if as_json else plan_text(plan):
        click.echo(line)
