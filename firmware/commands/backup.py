"""`aidpost backup` and `aidpost restore`: the store as one encrypted file."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.opening import open_keys, open_store
from firmware.store import backup as backup_file
from firmware.store.errors import BackupRefused

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the recovery passphrase from the first line of this file instead of asking.",
)


@click.command()
@config_option
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="The file to write.")
@passphrase_option
def backup(config_path: Path, target: Path, passphrase_file: Path | None) -> None:
    """Write the whole store to a file that a recovery passphrase opens, on this appliance or another.

    Stop the appliance first. What is erased later stays in the file: make a new one then, and erase this one.
    """
    config = read_config(config_path)
    with clear_errors():
        passphrase = _passphrase(passphrase_file, twice=True)
        with open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
            backup_file.write(store, target, passphrase, Clock().now())
            counts = store.counts()
    entries = f"{counts.references} {'entry' if counts.references == 1 else 'entries'}"
    click.echo(f"Wrote {target}: {entries}, {counts.waiting} waiting events.")


@click.command()
@config_option
@click.option("--from", "source", type=click.Path(path_type=Path), required=True, help="A backup.")
@passphrase_option
def restore(config_path: Path, source: Path, passphrase_file: Path | None) -> None:
    """Let a new store go on from a backup, under a new epoch: no sequence number is given twice.

    What waited then is sent again with its record ids, even if it was sent after the backup was made.
    """
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        if not store.is_new():
            raise BackupRefused(
                f"there is a store in {config.device.data} already: move that folder away first"
            )
        former = backup_file.read(source, _passphrase(passphrase_file), config.device.data, store)
        store.inherit(former, Clock().now(), "restored")
    made = datetime.fromtimestamp((former.as_of_ns or 0) / 1e9, UTC)
    click.echo(
        f"Restored {len(former.references)} entries and {len(former.waiting)} waiting events, as they were "
        f"on {made:%Y-%m-%d %H:%M} UTC. Erase again who was erased since."
    )


def _passphrase(file: Path | None, *, twice: bool = False) -> bytearray:
    if file is not None:
        try:
            return bytearray(file.read_bytes().partition(b"\n")[0])
        except OSError as error:
            raise BackupRefused(f"cannot read {file}: {error.strerror}") from error
    passphrase = ask_pin("Recovery passphrase")
    if twice and ask_pin("The same again") != passphrase:
        raise BackupRefused("the two passphrases differ: try again")
    return passphrase
