"""``weft generate``: a run and prompts to artifacts."""

from __future__ import annotations

import dataclasses
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.session import CommandSession, global_options, pass_session
from weft.errors import OptionError

if TYPE_CHECKING:
    from weft import Artifact, Run

DEFAULT_OUT = Path("out")
"""Where artifacts other than text go without ``--out``."""


@click.command()
@click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option(
    "--prompt-file",
    "prompt_files",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A file or a folder to be described, transcribed, ...; may be given several times.",
)
@click.option("--to", metavar="MODALITY", help="What to make, where the run can make several.")
@click.option("-n", "n", default=1, show_default=True, help="Artifacts for each prompt.")
@click.option("--temperature", type=float, help="Below 1 conservative, above 1 wild, 0 the most likely piece.")
@click.option("--creativity", metavar="C", help="precise, balanced or creative, instead of a temperature.")
@click.option("--top-k", type=int, help="Keep only the k most likely pieces; 0 keeps all.")
@click.option("--top-p", type=float, help="Keep the fewest pieces that make up this probability; 1 keeps all.")
@click.option("--min-p", type=float, help="Drop pieces less likely than this share of the most likely one.")
@click.option("--repetition-penalty", type=float, help="Above 1 makes pieces already drawn less likely.")
@click.option("--guidance", type=float, help="How strongly to follow the prompt; 1 as learned.")
@click.option("--max-tokens", type=int, help="Draw at most this many tokens.")
@click.option("--seconds", type=float, help="Length of content that has a duration.")
@click.option("--seed", type=int, help="Artifact i is drawn with seed + i, across prompts; one is picked without it.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End text before this; may be given several times.")
@click.option("--checkpoint", default="best", show_default=True, metavar="WHICH", help="best, last, or a kept step.")
@click.option("--precision", default="float32", show_default=True, metavar="TYPE", help="float32 or float64.")
@click.option("--device", metavar="NAME", help="cpu, cuda or mps; the best there is without it.")
@click.option("--threads", type=int, metavar="N", help="CPU threads; as many as torch takes without it.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder for the artifacts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each artifact.")
@global_options
@pass_session
def generate(
    session: CommandSession,
    /,
    run_path: Path,
    prompts: tuple[str, ...],
    prompt_files: tuple[Path, ...],
    n: int,
    seed: int | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Generate text, images, audio, ... with a trained run.

    Put quotes around a PROMPT of several words; one that is - is read from standard input. Text is printed, all else
    saved in ./out, unless --out says where. A run that learned to describe images or sounds does so with --prompt-file.
    """
    _check(n, seed, options)
    if prompts and prompt_files:
        raise OptionError("give either a PROMPT or --prompt-file, not both")
    wanted: list[str | None] = [read_prompt(prompt) for prompt in prompts] or [None]
    reporter = session.reporter()

    import weft

    run = weft.load(run_path)
    if not isinstance(run, weft.Run):
        raise OptionError(f"{run_path} is a corpus, not a run; train on it first: weft train {run_path} --out RUN")
    first = secrets.randbelow(2**31) if seed is None else seed
    several = n * max(len(wanted), len(prompt_files)) > 1 or any(path.is_dir() for path in prompt_files)
    if out is not None and several:
        _require_folder(run, options["to"], out, of_files=bool(prompt_files))
    if prompt_files:
        artifacts = run.generate(prompt_file=prompt_files, n=n, seed=first, reporter=reporter, **options)
        if out is not None and len(artifacts) > 1:  # one file may hold several prompts
            _require_folder(run, options["to"], out, of_files=True)
        _Printer(out, as_json, total=len(artifacts)).show(artifacts)
        return
    if len(wanted) == n == 1 and out is None and not as_json and _streams(run, options["to"]):
        reporter.note(f"seed {first}")
        _stream(run, wanted[0], {**options, "seed": first, "reporter": reporter})
        return
    printer = _Printer(out, as_json, total=n * len(wanted))
    for j, prompt in enumerate(wanted):
        printer.show(run.generate(prompt, n=n, seed=first + j * n, reporter=reporter, **options))


def read_prompt(prompt: str) -> str:
    """The prompt as typed, or standard input for ``-``."""
    return sys.stdin.read().removesuffix("\n") if prompt == "-" else prompt


def _check(n: int, seed: int | None, options: dict[str, Any]) -> None:
    """Say what is wrong before a model is loaded, where that is plain from the command line."""
    from weft.generation.request import check
    from weft.interfaces.generator import SamplingOptions

    if n < 1:
        raise OptionError(f"-n must be at least 1, got {n}")
    sampling = {name: value for name, value in options.items() if name in SamplingOptions.__dataclass_fields__}
    check(SamplingOptions(n=n, seed=seed, **sampling), options["creativity"])


def _require_folder(run: Run, to: str | None, out: Path, *, of_files: bool) -> None:
    """Refuse a file for several artifacts before any is drawn."""
    from weft.generation.abilities import Abilities
    from weft.plugins.registry import get_registry

    abilities = Abilities.of(run.folder.manifest)
    if of_files:
        targets = {each.target for each in abilities.directions if to in (None, each.target)}
    else:
        targets = {abilities.target(to)}
    if out.suffix.lower() in {get_registry().payload_format(target).extension for target in targets}:
        raise OptionError(f"--out {out} is one file, and there are several artifacts; name a folder")


def _streams(run: Run, to: str | None) -> bool:
    """Whether somebody is watching text being written."""
    return sys.stdout.isatty() and (to == "text" or (to is None and run.folder.manifest.modalities == ["text"]))


def _stream(run: Run, prompt: str | None, options: dict[str, Any]) -> None:
    for piece in run.stream(prompt, **{name: value for name, value in options.items() if name != "to"}):
        click.echo(piece, nl=False)
    click.echo()


class _Printer:
    """Prints or saves artifacts, and says where they are."""

    def __init__(self, out: Path | None, as_json: bool, total: int) -> None:
        self._out = out
        self._as_json = as_json
        self._total = total

    def show(self, artifacts: Sequence[Artifact[Any]]) -> None:
        for artifact in artifacts:
            path = self._save(artifact)
            if self._as_json:
                click.echo(json.dumps(to_json(artifact, path), ensure_ascii=False))
            else:
                click.echo("\n".join(self._lines(artifact, path)))

    def _save(self, artifact: Artifact[Any]) -> Path | None:
        if self._out is None and isinstance(artifact.payload, str):
            return None
        return artifact.save(DEFAULT_OUT if self._out is None else self._out)

    def _lines(self, artifact: Artifact[Any], path: Path | None) -> Iterator[str]:
        if path is not None:
            yield str(path)
            return
        if self._total > 1:
            given = artifact.prompt_file or (f"prompt {artifact.prompt!r}" if artifact.prompt else "")
            yield f"--- seed {artifact.seed}" + (f", {given}" if given else "")
        yield artifact.payload


def to_json(artifact: Artifact[Any], path: Path | None) -> dict[str, Any]:
    """An artifact as ``--json`` prints it: ``path`` if it was saved, ``text`` if it is text."""
    return {
        **({"path": str(path)} if path is not None else {}),
        **({"text": artifact.payload} if isinstance(artifact.payload, str) else {}),
        "modality": artifact.modality,
        "prompt": artifact.prompt,
        "prompt_file": artifact.prompt_file,
        "seed": artifact.seed,
        "tokens": len(artifact.drawn.tokens),
        "finished": artifact.drawn.finished,
        "settings": dataclasses.asdict(artifact.settings),
    }
