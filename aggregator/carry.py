"""`aidpost-aggregator import`: takes bundles that were carried by hand, and writes their receipts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from aggregator.beside import FolderNeeded, key_beside
from aggregator.bundles import Bundle, BundleRefused, read_bundle, receipt_file
from aggregator.receipts import ReceiptKey, ReceiptKeyUnusable
from aggregator.store import carried
from aggregator.store.carried import Contradicts, Stored
from aggregator.store.database import open_writer, translated
from aggregator.store.errors import StoreError
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store_option import store_option
from trust.bundle import RECEIPT_SUFFIX, SUFFIX
from trust.chain import Receipt
from trust.checking import key_words


@click.command("import")
@store_option
@click.option(
    "--identity",
    type=click.Path(path_type=Path, file_okay=False),
    help="With a store on a server: the authority's folder, which has the key that signs receipts.",
)
@click.option(
    "--accept-key",
    "accepted",
    multiple=True,
    metavar="WORDS",
    help="Also take bundles signed by this key, as the device shows it, where the device has not joined, "
    "is on hold, or has another key now.",
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def import_bundles(store: Place, identity: Path | None, accepted: tuple[str, ...], folder: Path) -> None:
    """Store the bundles of FOLDER, also while the server runs, and write receipts beside them.

    Each bundle is stored whole or not at all, and only if the device's key signed it; what is refused is
    named, and the rest is stored. A bundle that was stored before changes nothing and is signed for again.
    Exit status 1 where one was refused.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"))
    refused = 0
    try:
        key_file = key_beside(store, identity)
    except FolderNeeded as error:
        raise click.UsageError(str(error)) from error
    try:
        with open_writer(store, None, beside_server=True) as db, _progress() as progress:
            key = ReceiptKey.of(key_file)
            for path in progress.track(files, description="bundles"):
                try:
                    _import(db, store, path, key, accepted, progress.console)
                except (BundleRefused, Contradicts, OSError) as error:
                    if isinstance(error, StoreError):
                        raise
                    refused += 1
                    progress.console.print(
                        f"{path.name}: refused, {error}", highlight=False, markup=False, soft_wrap=True
                    )
    except (StoreError, ReceiptKeyUnusable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(files) - refused} of {len(files)} bundles stored. Receipts are signed with the key")
    click.echo(key.public.hex())
    if refused:
        raise SystemExit(1)


def _import(
    db: Database, store: Place, path: Path, key: ReceiptKey, accepted: tuple[str, ...], console: Console
) -> None:
    bundle = read_bundle(path)
    hello = bundle.hello
    with translated(store):
        doubt = carried.distrust(db, hello, bundle.public_key)
        if doubt is not None and (doubt.final or key_words(bundle.public_key) not in accepted):
            raise BundleRefused(doubt.why)
        now_ns = time.time_ns()
        stored = carried.store_bundle(db, hello, bundle.batches, now_ns)
    console.print(
        f"{path.name}: events {bundle.first_seq} to {bundle.last_seq}, {stored.stored} new, "
        f"{stored.repeated} held before",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for first, last in stored.breaks:
        console.print(
            f"  the hash chain does not hold between {first} and {last}: tell the officer", soft_wrap=True
        )
    _write_receipt(path.parent, bundle, stored, key, now_ns)


def _write_receipt(folder: Path, bundle: Bundle, stored: Stored, key: ReceiptKey, now_ns: int) -> None:
    if stored.head is None or not stored.acked_seq:
        return
    hello = bundle.hello
    signature = key.sign(Receipt(hello.device_id, hello.epoch, stored.acked_seq, stored.head, now_ns))
    content = receipt_file(hello.device_id, hello.epoch, stored.acked_seq, now_ns, signature, key.public)
    path = folder / f"{hello.device_id}-{hello.epoch.hex()[:8]}{RECEIPT_SUFFIX}"
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _progress() -> Progress:
    console = Console(file=sys.stdout)
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console)
