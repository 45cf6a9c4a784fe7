"""`aidpost audit`: check the audit log, here or anywhere, and write it to a file."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from pathlib import Path

import click

from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.opening import open_keys, open_store
from firmware.store.audit import AuditBroken
from firmware.store.trail import Trail, TrailUnreadable, read_lines
from trust.checking import public_key_der


@click.group()
def audit() -> None:
    """Check what this appliance wrote down of each use, and carry it away to be checked."""


@audit.command("verify")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The appliance's TOML file: checks its store.",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def verify(config_path: Path | None, file: Path | None) -> None:
    """Check the hash chain of an appliance's store, or of FILE that `audit export` wrote, without a network.

    Exit status 1 where it breaks, with the row.
    """
    if (config_path is None) is (file is None):
        raise click.UsageError("name the appliance with --config, or a file that `audit export` wrote")
    if file is not None:
        _say(_read(file))
        return
    assert config_path is not None  # noqa: S101 -- one of the two is there
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        _say(store.trail())


@audit.command("export")
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(config_path: Path, file: Path) -> None:
    """Write the audit log to FILE, signed by this appliance; it holds no name and no template."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        trail = store.trail()
        key = public_key_der(guard.public_key())
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.writelines(line + "\n" for line in trail.lines(key, guard.sign))
        except FileExistsError as error:
            raise click.ClickException(f"{file} is there already: name another file") from error
        except OSError as error:
            raise click.ClickException(f"cannot write {file}: {error.strerror}") from error
    click.echo(f"{len(trail.rows)} rows and {len(trail.receipts)} receipts in {file}")


def _read(file: Path) -> Trail:
    try:
        with file.open(encoding="utf-8") as lines:
            trail, key = read_lines(iter(lines))
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    except (TrailUnreadable, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from error
    click.echo(f"Written by {trail.head.device_id}, key sha256:{hashlib.sha256(key).hexdigest()[:16]}")
    return trail


def _say(trail: Trail) -> None:
    checked = trail.check()
    if isinstance(checked, AuditBroken):
        raise click.ClickException(
            f"the audit log breaks at row {checked.number}: {checked.reason}; "
            "tell the data-protection officer"
        )
    signed = (
        f"signed for by the aggregator up to event {checked.covered}"
        if checked.receipts
        else "not signed for by an aggregator yet"
    )
    click.echo(f"All {checked.rows} rows hold; {signed} of {trail.head.last_seq}.")
