"""`aidpost cards`: the issuer's key, and sheets of cards and tokens to print."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from firmware.cards.payload import LAST_DAY
from firmware.commands.common import IdentifierType, OutputFile
from firmware.commands.lists import read_or_exit, today
from firmware.commands.output_files import write_new
from trust.issuer import IssuerKey, IssuerKeyUnusable
from trust.lists.terms import ClinicList

_list = click.argument("list_file", metavar="LIST", type=click.Path(dir_okay=False, path_type=Path))
_out = click.option("--out", type=OutputFile(), required=True, help="The PDF to write, a new file.")
_MAX_TOKENS = 999


@click.group()
def cards() -> None:
    """Make QR cards and visit tokens to print; no name is on them."""


@cards.group()
def keys() -> None:
    """Look after the issuer's key, which signs cards and lists."""


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def new(file: Path) -> None:
    """Make a key in the new FILE. Keep it away from the appliances, and a copy of it somewhere safe.

    Whoever has FILE can make cards and lists that the appliances take for real.
    """
    try:
        issuer = IssuerKey.create(file)
    except IssuerKeyUnusable as error:
        raise click.ClickException(str(error)) from error
    _say_public(issuer)


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def show(file: Path) -> None:
    """Show the public half of the key in FILE, for the appliances' `[issuer] keys`."""
    _say_public(_issuer(file))


@cards.command()
@_list
@click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The issuer's key, made by `aidpost cards keys new`.",
)
@_out
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Household cards for every cycle until this day; without it, for the list's own cycle alone.",
)
def sheet(list_file: Path, key_path: Path, out: Path, until: datetime | None) -> None:
    """Write a card for each household or appointment of LIST: ten on a page of A4, with cut marks."""
    from firmware.cards.sheet import card_sheet

    issuer = _issuer(key_path)
    last = None if until is None else until.date()
    planned = read_or_exit(list_file, None, trusted=(issuer.public,)).planned
    if last is not None and isinstance(planned, ClinicList):
        raise click.UsageError("cards of appointments are for their day: leave --until out")
    if last is not None and last < planned.last_day:
        raise click.UsageError(f"--until is before the list's last day, {planned.last_day}")
    if (day := last or planned.last_day) > LAST_DAY:
        raise click.UsageError(f"no card is good until {day}: {LAST_DAY} is the last day that a code can say")
    write_new(out, card_sheet(planned, issuer, last))
    count = len(planned.appointments) if isinstance(planned, ClinicList) else len(planned.households)
    click.echo(f"Wrote {count} cards to {out}. Print it at 100 %, not fitted to the page.")


@cards.command()
@_list
@click.option(
    "--device",
    "device_id",
    type=IdentifierType("device"),
    required=True,
    help="The appliance that hands them out (`device.id`).",
)
@click.option("--count", type=click.IntRange(1, _MAX_TOKENS), default=120, show_default=True)
@_out
def tokens(list_file: Path, device_id: str, count: int, out: Path) -> None:
    """Write visit tokens for the clinic's day of LIST, in the order in which this appliance names them.

    24 on a page of A4. They are good on that day alone; destroy what is left of them in the evening.
    """
    from firmware.cards.making import token_key, token_numbers
    from firmware.cards.sheet import token_sheet

    planned = read_or_exit(list_file, None).planned
    if not isinstance(planned, ClinicList):
        raise click.UsageError("visit tokens are for a clinic's day: name its list")
    if planned.day < today():
        raise click.UsageError(f"the list is of {planned.day}: its tokens are good for nothing any more")
    key = token_key(planned.key, planned.day)
    write_new(out, token_sheet(key, token_numbers(key, device_id)[:count], planned.site, planned.day))
    click.echo(f"Wrote {count} tokens to {out}. Print it at 100 %, and lay the first one on top.")


def _issuer(path: Path) -> IssuerKey:
    try:
        return IssuerKey.load(path)
    except IssuerKeyUnusable as error:
        raise click.ClickException(str(error)) from error


def _say_public(issuer: IssuerKey) -> None:
    click.echo("Put this into the configuration of each appliance:")
    click.echo(f'[issuer]\nkeys = ["{issuer.public.hex()}"]')
