"""The commands `fleet diagnostics`, `fleet logs` and `fleet export`: what comes back from devices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import click
import msgspec

from aggregator.administer import SpanType
from aggregator.export import Format
from aggregator.fleet_commands.commands import LATEST
from aggregator.fleet_commands.commands import row as command_row
from aggregator.fleet_commands.common import (
    DEVICE,
    SITE,
    MomentType,
    credential_option,
    fleet,
    format_option,
    moment,
    server_option,
    show,
    transfer_progress,
    words,
)
from aidpost.client import FleetClient
from aidpost.v1 import event_pb2, export_pb2

FORMATS = words(export_pb2.ExportFormat)
COLUMNS = ("command_id", "device_id", "received_at", "bytes", "complete", "expires_at")
_LIVE = ("waits for the device", "delivered")


class BundleRow(msgspec.Struct, frozen=True):
    """One diagnostic bundle; command_id: hex, digest: SHA-256 in hex."""

    command_id: str
    device_id: str
    received_at: str | None
    bytes: int
    complete: bool
    digest: str
    expires_at: str | None


@click.group()
def diagnostics() -> None:
    """Redacted bundles of what a device can tell of itself."""


@diagnostics.command("collect")
@click.argument("device", type=DEVICE)
@click.option("--expires", type=SpanType(), default="24h", show_default=True, help="30min, 24h, 7d.")
@server_option
@credential_option
def collect(device: str, expires: timedelta, server: str, credential: Path) -> None:
    """Ask DEVICE for a bundle; it is handed in when it is connected."""
    with fleet(server, credential) as client:
        sent = client.send_command(device, event_pb2.COMMAND_KIND_COLLECT_DIAGNOSTICS, expires)
    click.echo(sent.command_id.hex())
    click.echo("Fetch it by this id, once `fleet diagnostics list` shows it.", err=True)


@diagnostics.command("list")
@click.option("--device", default="", type=DEVICE, help="One device's alone.")
@format_option
@server_option
@credential_option
def list_diagnostics(device: str, form: Format, server: str, credential: Path) -> None:
    """Show the bundles that devices handed in."""
    with fleet(server, credential) as client:
        rows = [_row(bundle) for bundle in client.list_diagnostics(device)]
    show(rows, BundleRow, form, COLUMNS, "No bundle is held.")


@diagnostics.command("fetch")
@click.argument("command_id")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The new file.  [default: ID.zip]"
)
@server_option
@credential_option
def fetch(command_id: str, out: Path | None, server: str, credential: Path) -> None:
    """Fetch the bundle of COMMAND_ID; a fetch that was cut off goes on where it broke."""
    path = out or Path(f"{command_id}.zip")
    if path.exists():
        raise click.ClickException(f"{path} is there already: name another file with --out")
    partial = path.with_name(path.name + ".partial")
    with fleet(server, credential) as client:
        bundle = _bundle(client, command_id)
        offset = partial.stat().st_size if partial.exists() else 0
        with transfer_progress() as progress:
            task = progress.add_task(path.name, total=bundle.bytes, completed=offset)
            with partial.open("ab") as file:
                for piece in client.fetch_diagnostics(bundle.command_id, offset):
                    file.write(piece)
                    progress.advance(task, len(piece))
    with partial.open("rb") as file:
        if hashlib.file_digest(file, "sha256").digest() != bundle.digest:
            raise click.ClickException(f"{partial} is not what was handed in: delete it, and fetch it anew")
    partial.rename(path)
    click.echo(f"{path}: {bundle.bytes:,} bytes of {bundle.device_id}.")


@click.group()
def logs() -> None:
    """Log lines as devices write them, with the consent of the site."""


@logs.command("follow")
@click.argument("device", type=DEVICE)
@click.option("--duration", type=SpanType(), default="10min", show_default=True, help="At most 8h.")
@server_option
@credential_option
def follow(device: str, duration: timedelta, server: str, credential: Path) -> None:
    """Print the log of DEVICE, one JSON object a line, until the time is up or Ctrl-C.

    Where it was asked for before (`fleet commands send DEVICE tail-log`) and still goes on, that is followed.
    """
    with fleet(server, credential) as client:
        command_id = _live_tail(client, device)
        if command_id is None:
            sent = client.send_command(device, event_pb2.COMMAND_KIND_TAIL_LOG, duration, duration)
            command_id = sent.command_id
        for line in client.follow_log(command_id):
            click.echo(line)


@click.group()
def export() -> None:
    """Results as files, by the export policy."""


@export.command("results")
@click.option("--recipient", required=True, help="To whom it goes, as the policy names them.")
@click.option("--from", "begin", type=MomentType(), required=True, help="A time, or an age as 7d.")
@click.option("--to", "end", type=MomentType(), default="0min", help="A time, or an age.  [default: now]")
@click.option(
    "--site", "sites", multiple=True, type=SITE, help="These alone; all that the policy allows by default."
)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="csv", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new file.")
@server_option
@credential_option
def export_results(
    recipient: str,
    begin: datetime,
    end: datetime,
    sites: tuple[str, ...],
    form: str,
    out: Path,
    server: str,
    credential: Path,
) -> None:
    """Write results to a file, with the columns that the signed policy gives RECIPIENT."""
    if out.exists():
        raise click.ClickException(f"{out} is there already: name another file with --out")
    request = export_pb2.ExportResultsRequest(format=FORMATS[form], sites=sites, recipient=recipient)
    getattr(request, "from").FromDatetime(begin)
    request.to.FromDatetime(end)
    with fleet(server, credential) as client, transfer_progress() as progress:
        task = progress.add_task(out.name, total=None)
        partial = out.with_name(out.name + ".partial")
        size = 0
        try:
            with partial.open("wb") as file:
                for piece in client.export_results(request):
                    size += file.write(piece)
                    progress.update(task, completed=size)
            partial.rename(out)
        finally:
            partial.unlink(missing_ok=True)  # half of the results is no file to hand on
    click.echo(f"{out}: {size:,} bytes for {recipient}.")


def _bundle(client: FleetClient, command_id: str) -> export_pb2.DiagnosticBundle:
    found: Iterable[export_pb2.DiagnosticBundle] = (
        each for each in client.list_diagnostics() if each.command_id.hex() == command_id.lower()
    )
    bundle = next(iter(found), None)
    if bundle is None:
        raise click.ClickException(f"no bundle {command_id} is held: see `fleet diagnostics list`")
    return bundle


def _live_tail(client: FleetClient, device: str) -> bytes | None:
    """Return the id of the newest command by which a device tells its log, None without one."""
    tails = (
        state.command_id
        for state in islice(client.list_commands(device), LATEST)
        if state.kind == event_pb2.COMMAND_KIND_TAIL_LOG and command_row(state).state in _LIVE
    )
    return next(tails, None)


def _row(bundle: export_pb2.DiagnosticBundle) -> BundleRow:
    return BundleRow(
        command_id=bundle.command_id.hex(),
        device_id=bundle.device_id,
        received_at=moment(bundle, "received_at"),
        bytes=bundle.bytes,
        complete=bundle.complete,
        digest=bundle.digest.hex(),
        expires_at=moment(bundle, "expires_at"),
    )
