"""`aidpost-aggregator migrate`: moves a store from a file to a PostgreSQL server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Listing

from aggregator.account_commands import ACTOR
from aggregator.beside import Beside
from aggregator.export import FILE_WIDTH_CHARACTERS
from aggregator.moving_files import copy_files
from aggregator.store import moving
from aggregator.store.database import open_for_move, open_writer, translated
from aggregator.store.errors import MoveRefused, StoreError, StoreMissing, StoreMoved
from aggregator.store.moving import Compared, OnRows, Table
from aggregator.store.place import PlaceRefused, Server, parse_place

_SHOWN_DIGITS = 12  # of 64: for people to see that they are the same


class _ServerType(click.ParamType[Server]):
    name = "postgresql://..."

    def convert(
        self, value: str | Server, param: click.Parameter | None, ctx: click.Context | None
    ) -> Server:
        if isinstance(value, Server):
            return value
        try:
            place = parse_place(value)
        except PlaceRefused as error:
            self.fail(str(error), param, ctx)
        if not isinstance(place, Server):
            self.fail("a store moves to a server: write postgresql://USER@HOST/DATABASE", param, ctx)
        return place


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The store's file; its server is stopped.",
)
@click.option(
    "--to",
    "server",
    type=_ServerType(),
    required=True,
    help="An empty database. Its password: in ~/.pgpass or PGPASSWORD, not in what everybody can list.",
)
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder that all workers share: artifacts and bundles of diagnostics are copied there.",
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path, file_okay=False),
    help="The authority's folder: the key that signs receipts is copied there. [default: as --files]",
)
def migrate(source: Path, server: Server, files: Path, identity: Path | None) -> None:
    """Move a store from a file to an empty database of a PostgreSQL server.

    Stop the server first: devices keep what they cannot report, and go on at the new one. Every table is
    counted and compared by digest at the end; only then the file is marked as moved, so that no server starts
    on it again by mistake. It stays otherwise as it is: keep it as a copy of that hour. What was broken off
    goes on when the same is run again. No server opens the database before it is whole.
    """
    begun_s = time.monotonic()
    try:
        moved = _move(source, server, Beside.of(server, files, identity))
    except StoreMoved as error:
        if error.to != str(server):
            raise click.ClickException(str(error)) from error
        moved = None
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot copy {error.filename} ({error.strerror})") from error
    try:
        with open_for_move(server) as target:
            opened = moving.open_to_others(target, str(source.absolute()), time.time_ns(), ACTOR)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if moved is None:
        click.echo(f"{source} was moved to {server} before{': now it is whole' if opened else ''}.")
        return
    _show(moved)
    rows = sum(each.there.rows for each in moved)
    click.echo(f"Moved {rows:,} rows to {server} in {time.monotonic() - begun_s:.0f} s; both sides agree.")
    click.echo(f"{source} is marked as moved. Start the server with --store as --to was, and --files.")


def _move(path: Path, server: Server, beside: Beside) -> tuple[Compared, ...]:
    if not path.is_file():
        raise StoreMissing(f"there is no store at {path}: name the file that `serve --store` was given")
    with (
        open_writer(path, None) as source,
        open_for_move(server) as target,
        translated(path),
        source.atomic(),
    ):
        # A write first: commands that work beside a server wait or give up, and the file stays as it is read.
        source.take_turn()
        tables = moving.tables(source)
        moving.begin(target, tables)
        copy_files(Beside.of(path, None, None), beside)
        with _progress("copying", tables) as tell:
            for table in tables:
                moving.copy(source, target, table, tell)
        with _progress("comparing", tables) as tell:
            compared = tuple(moving.compare(source, target, table, tell) for table in tables)
        if different := [each.table for each in compared if each.there != each.here]:
            raise MoveRefused(
                f"{', '.join(different)}: not the same on both sides, and the file is still the store; "
                "one of them was written to since the move began: make the database anew and begin again"
            )
        for table in tables:
            moving.finish(source, target, table)
        moving.leave(source, str(server), time.time_ns())
    return compared


@contextmanager
def _progress(doing: str, tables: Sequence[Table]) -> Iterator[OnRows]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(doing, total=sum(table.rows for table in tables))

        def tell(table: Table, rows: int) -> None:
            progress.update(task, description=f"{doing} {table.name}", advance=rows)

        yield tell
        progress.update(task, description=doing)


def _show(compared: Sequence[Compared]) -> None:
    listing = Listing("table", "rows", "SHA-256 there", "here", box=SIMPLE, pad_edge=False)
    listing.columns[1].justify = "right"
    for each in compared:
        listing.add_row(
            each.table,
            f"{each.here.rows:,}",
            each.there.digest[:_SHOWN_DIGITS],
            each.here.digest[:_SHOWN_DIGITS],
        )
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS).print(listing)
