"""``weft plugins``: what is installed, and whether it works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from weft.cli.session import global_options

if TYPE_CHECKING:
    from weft.plugins.check import PluginCheck
    from weft.plugins.metadata import InstalledPlugin


@click.command()
@click.option("--check", is_flag=True, help="Import each; say what it registers, or why it does not work.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@global_options
def plugins(check: bool, as_json: bool) -> None:
    """List installed plugins and versions from metadata alone; --check imports each."""
    from weft.plugins.metadata import installed_plugins

    if check:
        _check(as_json)
        return
    installed = installed_plugins()
    for plugin in installed:
        click.echo(json.dumps(_identity(plugin)) if as_json else _line(plugin))
    if not installed and not as_json:
        click.echo("no plugins are installed")


def _check(as_json: bool) -> None:
    from weft.plugins.registry import get_registry

    for each in get_registry().check():
        click.echo(json.dumps(_report(each), ensure_ascii=False) if as_json else _text(each))


def _identity(plugin: InstalledPlugin) -> dict[str, Any]:
    return {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}


def _line(plugin: InstalledPlugin) -> str:
    named = "" if plugin.distribution.endswith(plugin.name) else f"  ({plugin.name})"
    return f"{plugin.distribution} {plugin.version}{named}"


def _report(check: PluginCheck) -> dict[str, Any]:
    return {
        **_identity(check.plugin),
        "status": check.status,
        "registers": list(check.registers),
        "problems": list(check.problems),
    }


def _text(check: PluginCheck) -> str:
    reason = f": {check.problems[0]}" if check.status == "quarantined" else ""
    problems = () if reason else check.problems
    lines = [f"{_line(check.plugin)}  {check.status}{reason}"]
    return "\n".join([*lines, *(f"  {text}" for text in check.registers), *(f"  problem: {text}" for text in problems)])
