"""The command that asks devices for something: `command send`, `command list`."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aggregator.administer import SpanType, credential_option, fleet, iso, server_option
from aggregator.export import FILE_WIDTH_CHARACTERS
from aidpost.v1 import event_pb2, fleet_pb2

KINDS = {
    "self-test": event_pb2.COMMAND_KIND_SELF_TEST,
    "sync-now": event_pb2.COMMAND_KIND_SYNC_NOW,
    "lock": event_pb2.COMMAND_KIND_LOCK,
    "renew-lease": event_pb2.COMMAND_KIND_RENEW_LEASE,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_OUTCOMES = {
    event_pb2.COMMAND_OUTCOME_DONE: "done",
    event_pb2.COMMAND_OUTCOME_FAILED: "failed",
    event_pb2.COMMAND_OUTCOME_EXPIRED: "arrived too late",
    event_pb2.COMMAND_OUTCOME_REFUSED: "refused",
    event_pb2.COMMAND_OUTCOME_INTERRUPTED: "interrupted",
}


@click.group()
def command() -> None:
    """What devices are asked to do."""


@command.command("send")
@click.argument("device")
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.option("--expires", type=SpanType(), default="24h", show_default=True, help="30min, 24h, 7d.")
@click.option("--yes", is_flag=True, help="Do not ask before `lock`.")
@server_option
@credential_option
def send_command(
    device: str, kind: str, expires: timedelta, yes: bool, server: str, credential: Path
) -> None:
    """Ask DEVICE for something; it is done once, when the device is connected.

    `lock` destroys the device's keys for good: what it has not reported by then is lost with them.
    """
    if kind == "lock" and not yes:
        click.confirm(f"Destroy the keys of {device}? What it has not reported is lost.", abort=True)
    with fleet(server, credential) as client:
        sent = client.send_command(device, KINDS[kind], expires)
    click.echo(f"Asked {device}: {kind}, until {iso(sent.expires_at)}. See `command list` for the result.")


@command.command("list")
@click.option("--device", default="", help="One device's alone.")
@server_option
@credential_option
def list_commands(device: str, server: str, credential: Path) -> None:
    """Show what devices were asked, and what became of it."""
    with fleet(server, credential) as client:
        found = client.list_commands(device)
    table = Table("asked", "device", "command", "by", "state", "detail", box=SIMPLE, pad_edge=False)
    for each in found:
        table.add_row(
            iso(each.asked_at),
            each.device_id,
            _NAMES.get(each.kind, "unknown"),
            each.asked_by,
            _state(each),
            each.detail,
        )
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS)
    console.print(table if table.row_count else "No device was asked for anything.")


def _state(command: fleet_pb2.CommandState) -> str:
    if command.outcome:
        return _OUTCOMES.get(command.outcome, "unknown")
    if command.expires_at.seconds <= time.time():
        return "expired without a result"
    return "delivered" if command.HasField("delivered_at") else "waits for the device"
