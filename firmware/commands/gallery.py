"""`aidpost gallery`: this appliance's part in the gallery that its site shares."""

from __future__ import annotations

from pathlib import Path

import click

from firmware.commands.common import OutputFile, ask_pin, clear_errors, config_option, read_config
from firmware.opening import open_keys
from trust.gallery.card import Card
from trust.gallery.opening import ApplianceKeys


@click.group()
def gallery() -> None:
    """The gallery that the appliances of a site share."""


@gallery.command()
@config_option
@click.option("--to", "target", type=OutputFile(), help="Write the card here, to carry it to the custodian.")
def card(config_path: Path, target: Path | None) -> None:
    """Show the words of this appliance's card; the custodian compares them before wrapping a key for it."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard:
        with guard.store_key() as key:
            keys = ApplianceKeys.derived(key)
        made = Card.made(config.device.id, config.device.site, keys, guard)
    click.echo(f"{made.device_id} at {made.site}: {made.words}")
    if target is not None:
        try:
            target.write_bytes(made.encoded())
        except OSError as error:
            raise click.ClickException(f"cannot write {target}: {error.strerror}") from error
        click.echo(f"Wrote {target}. Nothing in it is secret.")
