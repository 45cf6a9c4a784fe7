"""`aidpost export` and `aidpost import-receipts`: records carried by hand where there is no link."""

from __future__ import annotations

from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.opening import open_keys, open_store
from firmware.store.store import Store
from firmware.uplink.bundles import CarriedReceipt, ReceiptUnreadable, Signer, read_receipt, write_bundles
from trust.bundle import RECEIPT_SUFFIX
from trust.checking import public_key_der


@click.command("export")
@config_option
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    required=True,
    help="A folder, on a stick for example.",
)
def export(config_path: Path, folder: Path) -> None:
    """Write what waits for the aggregator into signed bundles, to be carried there by hand.

    Everything stays in the outbox until its receipt has come back (`aidpost import-receipts`), and may also
    go over the link meanwhile. Stop the appliance first.
    """
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        waiting = store.counts().waiting
        signer = Signer(public_key_der(guard.public_key()), guard.sign)
        files = 0
        with _progress() as progress:
            task = progress.add_task("events", total=waiting)
            try:
                for _path, events in write_bundles(store, folder, version("aidpost"), signer):
                    files += 1
                    progress.advance(task, events)
            except OSError as error:
                raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from error
    click.echo(f"{waiting} events in {files} {'bundle' if files == 1 else 'bundles'} in {folder}")


@click.command("import-receipts")
@config_option
@click.option(
    "--from",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    required=True,
    help="The folder that `aidpost-aggregator import` wrote receipts into.",
)
@click.option(
    "--aggregator-key",
    help="For an appliance that has never met its aggregator: the key that `import` printed there.",
)
def import_receipts(config_path: Path, folder: Path, aggregator_key: str | None) -> None:
    """Take from the outbox what the aggregator has signed for. Exit status 1 where one does not hold."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        taken, refused = 0, 0
        for path in sorted(folder.glob(f"*{RECEIPT_SUFFIX}")):
            try:
                receipt = read_receipt(path)
                ours = (receipt.device_id, receipt.epoch) == (store.device_id, store.epoch)
                if not ours:
                    click.echo(f"{path.name}: for another device or store, left alone")
                    continue
                taken += _take(store, receipt, aggregator_key)
            except (ReceiptUnreadable, OSError) as error:
                refused += 1
                click.echo(f"{path.name}: refused, {error}", err=True)
        waiting = store.counts().waiting
    click.echo(f"{taken} events are held by the aggregator; {waiting} still wait.")
    if refused:
        raise SystemExit(1)


def _take(store: Store, receipt: CarriedReceipt, aggregator_key: str | None) -> int:
    signed = receipt.signed
    if not store.outbox.knows_aggregator() and signed.receipt_key.hex() != aggregator_key:
        raise ReceiptUnreadable(
            "this appliance has never met its aggregator and does not know its key; name it with "
            "--aggregator-key as `aidpost-aggregator import` printed it"
        )
    if not store.outbox.receipt_holds(signed):
        raise ReceiptUnreadable("it is signed by another key, or for other events than these")
    return store.outbox.acknowledge(signed.seq, Clock().now(), signed)


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
