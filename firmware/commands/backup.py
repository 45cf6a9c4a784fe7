"""`aidpost backup` and `aidpost restore`: the store as one encrypted file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.commands.passphrase import ask_passphrase, from_file
from firmware.config import Config
from firmware.opening import open_keys, open_store, store_settings
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
    device = config.device
    with clear_errors():
        if store_settings(config).path.exists():
            _refuse_unless_new(config)
        with _passing(device.data) as folder:
            former = backup_file.read(
                source, _passphrase(passphrase_file), folder, device.purpose, device.site
            )
        for reference in former.references:
            if (reference.purpose, reference.site) != (device.purpose, device.site):
                raise BackupRefused(
                    f"{source} is of {reference.purpose.value} at {reference.site}, and this appliance "
                    f"serves {device.purpose.value} at {device.site}: take the backup of this one"
                )
        # Only now are keys and a store made: a backup that does not open leaves nothing behind.
        with open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
            store.inherit(former, Clock().now(), "restored")
    made = datetime.fromtimestamp((former.as_of_ns or 0) / 1e9, UTC)
    click.echo(
        f"Restored {len(former.references)} entries and {len(former.waiting)} waiting events, as they were "
        f"on {made:%Y-%m-%d %H:%M} UTC. Erase again who was erased since."
    )


def _refuse_unless_new(config: Config) -> None:
    with open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        if not store.is_new():
            raise BackupRefused(
                f"there is a store in {config.device.data} already: move that folder away first"
            )


@contextmanager
def _passing(folder: Path) -> Iterator[Path]:
    """Make the folder for the time of the block if it is not there; where something was put in, it stays."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"cannot make {folder}: {error.strerror}; change `device.data`") from error
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


def _passphrase(file: Path | None, *, twice: bool = False) -> bytearray:
    return ask_passphrase("Recovery passphrase", twice=twice) if file is None else from_file(file)
