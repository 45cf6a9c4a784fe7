"""`aidpost config`: which settings are in use, and where each comes from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from firmware.commands.common import clear_errors, config_option, read_config, report_console
from firmware.config import Config, ConfigError
from firmware.desired import view
from firmware.desired.judging import built
from firmware.desired.settings import SettingsRefused, in_use
from firmware.desired.shelf import Shelf
from firmware.desired.terms import Phase, Standing


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
        standing, used = _read(base)
    settings = in_use(used)
    sources = {name: _source(name, standing, config_path) for name in settings}
    files = () if standing.in_use is None else standing.in_use.artifacts
    if as_json:
        content = {
            "settings": {
                name: {"value": json.loads(value), "from": sources[name]} for name, value in settings.items()
            },
            "files": {each.kind.value: each.version for each in files},
            "desired": _said(standing),
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
    for line in _said(standing):
        console.print(line, markup=False, soft_wrap=True)


def _read(base: Config) -> tuple[Standing, Config]:
    """Return how it stands, and the configuration that is in use. Raises ConfigError."""
    data = base.device.data
    try:
        standing = view.read(data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"what the desk desired of this appliance cannot be read: {error}") from error
    try:
        return standing, built(base, standing.in_use, Shelf(data))
    except SettingsRefused as error:
        raise ConfigError(f"what the desk desired does not fit the file any more: {error}") from error


def _source(name: str, standing: Standing, path: Path) -> str:
    if standing.in_use is not None and name in standing.in_use.settings:
        return "fleet"
    table, _, key = name.partition(".")
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    return "file" if key in raw.get(table, {}) else "default"


def _said(standing: Standing) -> list[str]:
    """Return what became of the newest desired state, in sentences."""
    if standing.under_way is not None:
        doing = {
            Phase.FETCHING: "its files are being fetched",
            Phase.AWAITING_QUIET: "it waits until nobody is served and its window is open",
            Phase.APPLYING: "it is taken up with the next start",
            Phase.SELF_TESTING: "it is being tried",
        }[standing.under_way.phase]
        return [f"Desired state {standing.under_way.desired.generation}: {doing}."]
    if standing.decision is None:
        return []
    decision = standing.decision
    return [f"Desired state {decision.generation}: {decision.result.value}."] + [
        f"{refusal.field}: {refusal.reason}" for refusal in decision.refusals
    ]
