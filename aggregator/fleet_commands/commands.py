"""The commands `fleet commands`: what devices are asked to do, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

import click
import msgspec

from aggregator.administer import SpanType, iso
from aggregator.export import Format
from aggregator.fleet_commands.common import (
    DEVICE,
    credential_option,
    fleet,
    format_option,
    moment,
    server_option,
    show,
    word,
    words,
    yes_option,
)
from aidpost.client import FleetClient
from aidpost.v1 import event_pb2, fleet_pb2

LATEST = 1_000
KINDS = words(event_pb2.CommandKind)
FOR_GOOD = {
    "lock": "Destroy the keys of {whom}? What was not reported is lost.",
    "wipe": "Destroy the keys of {whom}, and erase all data there? What was not reported is lost.",
}
COLUMNS = ("asked_at", "device_id", "kind", "asked_by", "state", "detail", "command_id")
_OUTCOMES = {
    event_pb2.COMMAND_OUTCOME_DONE: "done",
    event_pb2.COMMAND_OUTCOME_FAILED: "failed",
    event_pb2.COMMAND_OUTCOME_EXPIRED: "arrived too late",
    event_pb2.COMMAND_OUTCOME_REFUSED: "refused",
    event_pb2.COMMAND_OUTCOME_INTERRUPTED: "interrupted",
}
WAITING = "waits for the device"

duration_option = click.option(
    "--duration", type=SpanType(), help="How long a support session or a live log goes on, as 10min."
)


class CommandRow(msgspec.Struct, frozen=True):
    """One command and what became of it; command_id: hex."""

    command_id: str
    device_id: str
    kind: str
    asked_by: str
    asked_at: str | None
    expires_at: str | None
    delivered_at: str | None
    done_at: str | None
    state: str
    detail: str


@click.group()
def commands() -> None:
    """What devices are asked to do."""


@commands.command("send")
@click.argument("words_", nargs=-1, required=True, metavar="[DEVICE] KIND", type=DEVICE)
@click.option("--filter", "filter_", help="All devices of a filter, instead of DEVICE.")
@click.option(
    "--expect", type=click.IntRange(1), help="With --filter: how many devices you mean, not asked then."
)
@click.option("--expires", type=SpanType(), default="24h", show_default=True, help="30min, 24h, 7d.")
@duration_option
@yes_option
@server_option
@credential_option
def send(
    words_: tuple[str, ...],
    filter_: str | None,
    expect: int | None,
    expires: timedelta,
    duration: timedelta | None,
    yes: bool,
    server: str,
    credential: Path,
) -> None:
    """Ask DEVICE, or all devices of a filter, for something; it is done once, when the device is connected.

    KIND: self-test, sync-now, restart, reboot, renew-lease, collect-diagnostics, tail-log, open-support,
    lock, wipe. `lock` destroys the device's keys for good: what it has not reported by then is lost with
    them. `wipe` erases the data as well.
    """
    *devices, kind = words_
    if len(devices) > 1 or bool(devices) is (filter_ is not None):
        raise click.UsageError("name one DEVICE and then KIND, or KIND with --filter")
    if kind not in KINDS:
        raise click.UsageError(f"{kind!r} is no command: it is one of {', '.join(KINDS)}")
    with fleet(server, credential) as client:
        if filter_ is None:
            _ask_first(kind, devices[0], yes)
            sent = client.send_command(devices[0], KINDS[kind], expires, duration)
            click.echo(
                f"Asked {devices[0]}: {kind}, until {iso(sent.expires_at)}. "
                "See `fleet commands list` for the result."
            )
            return
        count = expect or sum(1 for _ in client.list_devices(filter_))
        if not expect and not yes:
            click.confirm(f"Ask {count} devices: {kind}?", abort=True)
        _ask_first(kind, f"{count} devices", yes)
        ids = client.send_commands(filter_, KINDS[kind], count, expires, duration)
    click.echo(f"Asked {len(ids)} devices: {kind}. See `fleet commands list` for the results.")


@commands.command("list")
@click.option("--device", default="", type=DEVICE, help="One device's alone.")
@click.option("--all", "every", is_flag=True, help=f"All, and not the latest {LATEST:,} alone.")
@format_option
@server_option
@credential_option
def list_commands(device: str, every: bool, form: Format, server: str, credential: Path) -> None:
    """Show what devices were asked, and what became of it, the latest at the end."""
    with fleet(server, credential) as client:
        rows = [row(state) for state in islice(client.list_commands(device), None if every else LATEST)]
    rows.reverse()
    show(rows, CommandRow, form, COLUMNS, "No device was asked for anything.")


@commands.command("cancel")
@click.argument("ids", nargs=-1, metavar="[COMMAND_ID...]")
@click.option("--filter", "filter_", help="What waits for any device of a filter, instead of COMMAND_ID.")
@click.option("--kind", type=click.Choice(sorted(KINDS)), help="With --filter: one kind alone.")
@server_option
@credential_option
def cancel(
    ids: tuple[str, ...], filter_: str | None, kind: str | None, server: str, credential: Path
) -> None:
    """Take commands back that were not delivered yet."""
    if bool(ids) is (filter_ is not None):
        raise click.UsageError("name commands by their ids (`fleet commands list`), or devices with --filter")
    with fleet(server, credential) as client:
        chosen = [_command_id(each) for each in ids] if filter_ is None else _waiting(client, filter_, kind)
        for command_id in chosen:
            client.cancel_command(command_id)
    click.echo(f"Taken back: {len(chosen)}.")


def row(state: fleet_pb2.CommandState) -> CommandRow:
    """Return a command as a row."""
    return CommandRow(
        command_id=state.command_id.hex(),
        device_id=state.device_id,
        kind=word(event_pb2.CommandKind, state.kind),
        asked_by=state.asked_by,
        asked_at=moment(state, "asked_at"),
        expires_at=moment(state, "expires_at"),
        delivered_at=moment(state, "delivered_at"),
        done_at=moment(state, "done_at"),
        state=_state(state),
        detail=state.detail,
    )


def _state(state: fleet_pb2.CommandState) -> str:
    if state.outcome:
        return _OUTCOMES.get(state.outcome, word(event_pb2.CommandOutcome, state.outcome))
    if state.expires_at.seconds <= time.time():
        return "expired without a result"
    return "delivered" if state.HasField("delivered_at") else WAITING


def _ask_first(kind: str, whom: str, yes: bool) -> None:
    if kind in FOR_GOOD and not yes:
        click.confirm(FOR_GOOD[kind].format(whom=whom), abort=True)


def _command_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no id of a command: see `fleet commands list`") from error


def _waiting(client: FleetClient, filter_: str, kind: str | None) -> Sequence[bytes]:
    devices = {device.device_id for device in client.list_devices(filter_)}
    return [
        state.command_id
        for state in client.list_commands()
        if state.device_id in devices and _state(state) == WAITING and kind in (None, row(state).kind)
    ]
