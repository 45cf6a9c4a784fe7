"""`aidpost audit`: check the audit log, here or anywhere, show it, and write it to a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from firmware import explaining
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.commands.output_files import write_new
from firmware.explaining import NotInLog, Row
from firmware.opening import open_keys, open_store
from firmware.store.audit import AuditBroken
from firmware.store.trail import Trail, TrailUnreadable, read_lines
from trust.checking import public_key_der


@click.group()
def audit() -> None:
    """Check what this appliance wrote down of each use, and carry it away to be checked."""


store_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The appliance's TOML file: reads its store. Stop the appliance first.",
)
file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that `audit export` wrote, instead of the store.",
)


@contextmanager
def opened_trail(config_path: Path | None, file: Path | None) -> Iterator[Trail]:
    """Open the log of an appliance's store, or of a file; faults are sentences."""
    if (config_path is None) is (file is None):
        raise click.UsageError("name the appliance with --config, or a file that `audit export` wrote")
    if file is not None:
        yield _read(file)
        return
    assert config_path is not None  # noqa: S101 -- one of the two is there
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        yield store.trail()


@audit.command("verify")
@store_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def verify(config_path: Path | None, file: Path | None) -> None:
    """Check the hash chain of an appliance's store, or of FILE that `audit export` wrote, without a network.

    Exit status 1 where it breaks, with the row.
    """
    with opened_trail(config_path, file) as trail:
        _say(trail)


@audit.command("show")
@store_option
@file_option
@click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC), as 2026-11-25.")
@click.option("--to", type=click.DateTime(["%Y-%m-%d"]), help="Last day (UTC).")
@click.argument("wanted", metavar="[ID]", nargs=-1)
def show(
    config_path: Path | None,
    file: Path | None,
    from_: datetime | None,
    to: datetime | None,
    wanted: tuple[str, ...],
) -> None:
    """Show what was written down, or only ID: a decision's number, the id of its record, or a row as #15.

    Days are by the appliance's clock. The chain is checked too: exit status 1 where it breaks.
    """
    with opened_trail(config_path, file) as trail:
        try:
            found = (
                [explaining.find(trail, " ".join(wanted))]
                if wanted
                else explaining.between(trail, *_days(from_, to))
            )
        except NotInLog as error:
            raise click.ClickException(str(error)) from error
        for row in found:
            _show(row)
        _say(trail)


def _days(from_: datetime | None, to: datetime | None) -> tuple[int | None, int | None]:
    after = to + timedelta(days=1) if to is not None else None
    first, last = (
        None if day is None else int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        for day in (from_, after)
    )
    return first, last


def _show(row: Row) -> None:
    entry = row.entry
    number = f"  number {entry.seq}" if entry.seq is not None else ""
    click.echo(f"#{row.number}  {explaining.when(entry.moment)}  {entry.act}{number}")
    for name, value in entry.facts.items():
        if value:
            click.echo(f"      {name}: {value}")


@audit.command("export")
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(config_path: Path, file: Path) -> None:
    """Write the audit log to FILE, signed by this appliance; it holds no name and no template."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        trail = store.trail()
        key = public_key_der(guard.public_key())
        lines = (line + "\n" for line in trail.lines(key, guard.sign))
        write_new(file, "".join(lines).encode(), private=True)
    click.echo(f"{len(trail.rows)} rows and {len(trail.receipts)} receipts in {file}")


def _read(file: Path) -> Trail:
    try:
        with file.open(encoding="utf-8") as lines:
            trail, key = read_lines(iter(lines))
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    except TrailUnreadable as error:
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
