"""`aidpost config`: which settings are in use, and where each comes from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from firmware.commands.common import clear_errors, config_option, read_config, report_console
from firmware.desired import view
from firmware.desired.settings import in_use
from firmware.desired.terms import Standing


@click.group()
def config() -> None:
    """The appliance's settings."""


@config.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(config_path: Path, as_json: bool) -> None:
    """Show the settings that its desk can desire: values in use, and from where: fleet, file, or default.

    The appliance may run meanwhile, and no PIN is asked for. Everything else is as the file has it.
    """
    base = read_config(config_path)
    with clear_errors():
        standing, used = view.over(base)
    settings = in_use(used)
    sources = {name: _source(name, standing, config_path) for name in settings}
    files = () if standing.in_use is None else standing.in_use.artifacts
    if as_json:
        content = {
            "settings": {
                name: {"value": json.loads(value), "from": sources[name]} for name, value in settings.items()
            },
            "files": {each.kind.value: each.version for each in files},
            "desired": view.sentences(standing),
        }
        click.echo(json.dumps(content, indent=2))
        return
    table = Table(box=None)
    for column in ("setting", "value", "from"):
        table.add_column(column)
    for name, value in settings.items():
        table.add_row(name, escape(value), sources[name])
    for each in files:
        table.add_row(each.kind.value.replace("_", " "), escape(each.version), "fleet")
    console = report_console()
    console.print(table)
    for line in view.sentences(standing):
        console.print(line, markup=False, soft_wrap=True)


def _source(name: str, standing: Standing, path: Path) -> str:
    if standing.in_use is not None and name in standing.in_use.settings:
        return "fleet"
    table, _, key = name.partition(".")
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    return "file" if key in raw.get(table, {}) else "default"
