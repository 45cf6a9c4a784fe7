"""What a store holds: `results`, `devices`, `missing` and `double-collections`."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta

import click

from aggregator.export import (
    DEVICE_TABLE,
    DOUBLE_COLLECTION_TABLE,
    FORMATS,
    MISSING_TABLE,
    RESULT_TABLE,
    DeviceRow,
    DoubleCollectionRow,
    Format,
    MissingRow,
    ResultRow,
    device_row,
    double_collection_row,
    missing_row,
    result_row,
    write_rows,
)
from aggregator.holdings import EVENT_KINDS
from aggregator.store.database import open_reader
from aggregator.store.errors import StoreError
from aggregator.store.place import Place
from aggregator.store.reader import read_devices, read_double_collections, read_events, read_missing
from aggregator.store_option import HELP, PlaceType, store_option
from aggregator.unpacking import MAX_INT64

_AGE = re.compile(r"(\d+)(s|min|h|d)")
_AGE_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class _SinceType(click.ParamType[int]):
    """A time in ISO 8601 (UTC unless it says otherwise) or an age as 2h; nanoseconds since 1970."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            if (age := _AGE.fullmatch(value)) is not None:
                since = datetime.now(UTC) - timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})
            else:
                since = datetime.fromisoformat(value)
            aware = since if since.tzinfo else since.replace(tzinfo=UTC)
            since_ns = int(aware.timestamp() * 1_000_000_000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a time as 2026-01-31T08:00 nor an age as 2h", param, ctx)
        # Nothing is held from beyond what the store's integers can tell, 1677 to 2262.
        return min(max(since_ns, -MAX_INT64), MAX_INT64)


_format = click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)


@click.command()
@store_option
@_format
@click.option("--device", "device_id", help="One device's alone.")
@click.option("--kind", type=click.Choice(EVENT_KINDS), help="One kind alone.")
@click.option(
    "--since", "since_ns", type=_SinceType(), help="Received since 2026-01-31T08:00 (UTC), 30min, 2h, 7d."
)
@click.option("--limit", type=click.IntRange(1, MAX_INT64), help="The latest so many.")
def results(
    store: Place,
    form: Format,
    device_id: str | None,
    kind: str | None,
    since_ns: int | None,
    limit: int | None,
) -> None:
    """Show the events that are held, oldest first; also while the server runs."""
    try:
        with open_reader(store) as db:
            events = read_events(
                db, device_id=device_id, kinds=(kind,) if kind else (), since_ns=since_ns, limit=limit
            )
            write_rows(map(result_row, events), ResultRow, form, sys.stdout, RESULT_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@click.group(invoke_without_command=True)
@click.option("--store", type=PlaceType(), envvar="AIDPOST_STORE", help=HELP)
@_format
@click.pass_context
def devices(context: click.Context, store: Place | None, form: Format) -> None:
    """Show the devices of --store, what is held of each, and what is missing; or decide who is one."""
    if context.invoked_subcommand is not None:
        return
    if store is None:
        raise click.UsageError("name the store with --store, or one of the commands")
    try:
        with open_reader(store) as db:
            write_rows(map(device_row, read_devices(db)), DeviceRow, form, sys.stdout, DEVICE_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@store_option
@_format
@click.option("--device", "device_id", help="One device's alone.")
def missing(store: Place, form: Format, device_id: str | None) -> None:
    """Show which sequence numbers of which device are not held: of a lost one, what is lost with it."""
    try:
        with open_reader(store) as db:
            rows = [missing_row(each) for each in read_missing(db, device_id)]
            if form == "table" and not rows:
                click.echo("Nothing is missing, as far as each device had counted when it was last heard of.")
                return
            write_rows(rows, MissingRow, form, sys.stdout, MISSING_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@click.command("double-collections")
@store_option
@_format
@click.option("--cycle", help="One cycle's alone.")
def double_collections(store: Place, form: Format, cycle: str | None) -> None:
    """Show the households that collected more than once in a cycle, for reconciliation.

    Desks that could not reach each other each gave in good faith: nobody is denied for it afterwards.
    """
    try:
        with open_reader(store) as db:
            rows = [double_collection_row(each) for each in read_double_collections(db, cycle)]
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if form == "table" and not rows:
        click.echo("No household collected twice, as far as is held here.")
        return
    write_rows(rows, DoubleCollectionRow, form, sys.stdout, DOUBLE_COLLECTION_TABLE)
