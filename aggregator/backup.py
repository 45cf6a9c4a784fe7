"""`aidpost-aggregator backup`: a copy of a store's file and of what lies beside it, while the server runs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from aggregator.beside import Beside
from aggregator.moving_files import copy_files
from aggregator.store.database import open_reader, translated
from aggregator.store.errors import StoreError, StoreUnavailable
from aggregator.store.place import Place, Server
from aggregator.store_option import store_option


@click.command()
@store_option
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A new folder; where it is, as much room as the store takes.",
)
def backup(store: Place, folder: Path) -> None:
    """Copy a store's file, the files for devices, what they handed in, and the key for receipts.

    Also while the server runs: the copy is as of one commit, and is checked. To restore, stop the server and
    put the files back where they were. Of a store on a server: docs/backups.md.
    """
    if isinstance(store, Server):
        raise click.UsageError("a store on a server is copied by the server's own tools: docs/backups.md")
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise click.ClickException(f"cannot make {folder} ({error.strerror}): name a new folder") from error
    copy = folder / store.name
    try:
        _copy(store, copy)
        files = copy_files(Beside.of(store, None, None), Beside.of(copy, None, None))
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot copy {error.filename} ({error.strerror})") from error
    click.echo(f"Copied {store} ({copy.stat().st_size / 1e6:,.1f} MB) and {files} files to {folder}.")


def _copy(store: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with open_reader(store) as source, translated(copy), closing(sqlite3.connect(copy)) as target:
        source.conn.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        (found,) = target.execute("PRAGMA quick_check").fetchone()
    if found != "ok":
        raise StoreUnavailable(f"the copy {copy} is damaged ({found}), and so may be {store}")
    descriptor = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
