"""The commands for sealed galleries: `gallery cards`, `publish`, `list`, `erasures`."""

from __future__ import annotations

import sys
from datetime import UTC, timedelta
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aggregator.administer import credential_option, galleries, iso, server_option
from aggregator.export import FILE_WIDTH_CHARACTERS
from aidpost.v1 import gallery_pb2
from trust.gallery.card import Card
from trust.gallery.errors import CardRefused, RosterRefused
from trust.gallery.roster import MAX_ROSTER_BYTES, Roster


@click.group()
def gallery() -> None:
    """Sealed galleries: what is kept of them, and for whom. Nothing of an entry can be read here."""


@gallery.command("cards")
@click.option("--site", default="", help="One site's alone.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Write the cards into this folder, to carry them to the custodian.",
)
@server_option
@credential_option
def cards(site: str, folder: Path | None, server: str, credential: Path) -> None:
    """Show the cards that devices handed in.

    The words here are the aggregator's; the custodian compares those that the appliance itself shows.
    """
    with galleries(server, credential) as service:
        found = service.ListCards(gallery_pb2.ListCardsRequest(site=site)).cards
    table = Table("device", "site", "handed in", "words", box=SIMPLE, pad_edge=False)
    for each in found:
        try:
            card = Card.parse(each.card)
        except CardRefused as error:
            raise click.ClickException(str(error)) from error
        table.add_row(card.device_id, card.site, iso(each.published_at), card.words)
        if folder is not None:
            (folder / f"{card.device_id}.card").write_bytes(each.card)
    _print(table, "No device has handed in a card yet.")


@gallery.command("publish")
@click.argument("roster", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@server_option
@credential_option
def publish(roster: Path, server: str, credential: Path) -> None:
    """Hand in the custodian's newest ROSTER; the appliances get it at their next sync."""
    try:
        with roster.open("rb") as file:
            data = file.read(MAX_ROSTER_BYTES + 1)
        Roster.parse(data)
    except (OSError, RosterRefused) as error:
        raise click.ClickException(f"cannot publish {roster}: {error}") from error
    with galleries(server, credential) as service:
        service.PublishRoster(gallery_pb2.PublishRosterRequest(roster=data))
    click.echo(f"Published {roster}.")


@gallery.command("list")
@server_option
@credential_option
def list_galleries(server: str, credential: Path) -> None:
    """Show the galleries, and up to which version each member holds them."""
    table = Table(
        *("site", "purpose", "key", "roster", "entries", "under a former key", "version", "member", "holds"),
        *("asked", "erasures to confirm"),
        box=SIMPLE,
        pad_edge=False,
    )
    for each in _galleries(server, credential):
        whole = (
            each.site,
            each.purpose,
            *map(str, (each.epoch, each.edition, each.entries, each.former_epoch, each.version)),
        )
        for number, member in enumerate(each.members):
            asked = iso(member.asked_at) if member.HasField("asked_at") else "never"
            begin = ("",) * len(whole) if number else whole
            table.add_row(
                *begin, member.device_id, str(member.version), asked, str(member.erasures_to_confirm)
            )
        if not each.members:
            table.add_row(*whole, "none", "", "", "")
    _print(table, "There is no gallery yet.")


@gallery.command("erasures")
@click.option("--open", "only_open", is_flag=True, help="Those alone that a device has not carried out yet.")
@server_option
@credential_option
def erasures(only_open: bool, server: str, credential: Path) -> None:
    """Show what was erased, and which devices have confirmed it, newest first.

    A device confirms by asking for what comes after: it carries out every erasure before anything else. One
    that stays away becomes unreadable after its lease, counted in its own uptime and boots since it was last
    heard of. The date is for one that runs on; while it lies switched off nothing is counted. One that was
    taken out of the gallery while it had the entry stays in the list.
    """
    with galleries(server, credential) as service:
        found = service.ListErasures(gallery_pb2.ListErasuresRequest(only_open=only_open)).erasures
    table = Table(
        *("entry", "site", "purpose", "told", "by", "confirmed by", "not yet by"), box=SIMPLE, pad_edge=False
    )
    for each in found:
        missing = [unconfirmed_words(waits) for waits in each.unconfirmed_by]
        table.add_row(
            each.entry_id.hex(),
            each.site,
            each.purpose,
            iso(each.told_at),
            each.told_by or "a former member",
            ", ".join(each.confirmed_by),
            ", ".join(missing),
        )
    _print(table, "Every erasure was carried out." if only_open else "Nothing was erased.")


def unconfirmed_words(waits: gallery_pb2.UnconfirmedBy) -> str:
    """Say when a device that may still have an entry last asked, and what makes it unreadable."""
    device = f"{waits.device_id}, no member any more" if waits.former_member else waits.device_id
    if not waits.HasField("asked_at"):
        return f"{device} (never asked)"
    lease = "has no lease: it stays readable"
    if waits.lease_uptime_s:
        by = waits.asked_at.ToDatetime(UTC) + timedelta(seconds=waits.lease_uptime_s)
        days = waits.lease_uptime_s / 86_400
        lease = (
            f"unreadable by {by:%Y-%m-%d} if it runs on, otherwise after {days:g} days of uptime or "
            f"{waits.lease_boots} boots without contact"
        )
    return f"{device} (asked {iso(waits.asked_at)}, {lease})"


def _galleries(server: str, credential: Path) -> list[gallery_pb2.GalleryState]:
    with galleries(server, credential) as service:
        return list(service.ListGalleries(gallery_pb2.ListGalleriesRequest()).galleries)


def _print(table: Table, nothing: str) -> None:
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS)
    console.print(table if table.row_count else nothing)
