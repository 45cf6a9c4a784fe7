"""`aidpost gallery`: this appliance's part in the gallery that its site shares."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from firmware.commands.common import OutputFile, ask_pin, clear_errors, config_option, read_config
from firmware.commands.output_files import write_new
from firmware.opening import open_keys, open_store
from firmware.sharing import appliance_card


@click.group()
def gallery() -> None:
    """The gallery that the appliances of a site share."""


@gallery.command()
@config_option
@click.option(
    "--to", "target", type=OutputFile(), help="Write the card to this new file, to carry it to the custodian."
)
def card(config_path: Path, target: Path | None) -> None:
    """Show the words of this appliance's card; the custodian compares them before wrapping a key for it."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard:
        _, made = appliance_card(config, guard)
    click.echo(f"{made.device_id} at {made.site}: {made.words}")
    if target is not None:
        write_new(target, made.encoded())
        click.echo(f"Wrote {target}. Nothing in it is secret.")


@gallery.command()
@config_option
def show(config_path: Path) -> None:
    """Show who shares the gallery, and what has not been told yet. Stop the appliance first."""
    config = read_config(config_path)
    if config.gallery is None:
        raise click.ClickException(
            "there is no [gallery] in the configuration: this appliance keeps its gallery to itself"
        )
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        _, card = appliance_card(config, guard)
        held, entries = store.shared.held(), store.counts().references
        roster = held.roster
        if roster is None:
            click.echo(f"{entries} entries, shared with nobody: no roster of the custodian has come yet.")
            return
        number = next((each.number for each in roster.members if each.author_key == card.author_key), 0)
        waiting = store.shared.waiting(roster.epoch, number, [m.number for m in roster.members], entries + 1)
        unopened = store.shared.unopened()
    click.echo(f"{roster.purpose.value} at {roster.site}: {entries} entries, version {held.version}")
    click.echo(f"Key {roster.epoch}, roster {roster.edition}, custodian {roster.custodian_words}")
    for member in roster.members:
        told = held.heads[member.number].seq if member.number in held.heads else 0
        here = "  this appliance" if member.number == number else ""
        click.echo(f"  {member.number}. {member.device_id}  {told} changes{here}")
    if not number:
        click.echo("This appliance is no member with its present card: see `aidpost gallery card`.")
    click.echo(
        f"Not told yet: {len(waiting.erased)} erasures, {len(waiting.new)} entries, "
        f"{len(waiting.former)} to be sealed anew"
    )
    if unopened:
        click.echo(f"{len(unopened)} cannot be used here; `aidpost erase --entry` withdraws one:")
    for entry_id in unopened:
        click.echo(f"  {entry_id.hex()}")
