"""The commands `fleet devices` and `fleet telemetry`: what there is, how it is, and its labels."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import msgspec
from google.protobuf.json_format import MessageToDict

from aggregator.export import Format
from aggregator.fleet_commands.common import (
    DEVICE,
    MomentType,
    credential_option,
    etag_option,
    fleet,
    format_option,
    moment,
    server_option,
    show,
    show_one,
    word,
)
from aidpost.v1 import inventory_pb2, state_pb2

COLUMNS = ("device_id", "site", "health", "connected", "software_version", "last_seen", "problems")
TELEMETRY_COLUMNS = ("at", "period_s", "waiting", "memory_resident_mb", "store_used_percent", "cpu_degrees")


class DeviceRow(msgspec.Struct, frozen=True):
    """One device in a list."""

    device_id: str
    site: str
    health: str
    connected: bool
    software_version: str
    last_seen: str | None
    labels: dict[str, str]
    groups: tuple[str, ...]
    problems: tuple[str, ...]
    etag: str


class DevicePage(msgspec.Struct, frozen=True):
    """All that is known of one device."""

    device_id: str
    site: str
    health: str
    connected: bool
    software_version: str
    first_seen: str | None
    last_seen: str | None
    labels: dict[str, str]
    groups: tuple[str, ...]
    problems: tuple[str, ...]
    desired_generation: int | None
    desired_settings: dict[str, str]
    desired_artifacts: tuple[str, ...]
    reported_generation: int | None
    reported_result: str | None
    refusals: dict[str, str]
    drift: tuple[str, ...]
    telemetry_at: str | None
    telemetry: dict[str, object]
    etag: str


class TelemetryRow(msgspec.Struct, frozen=True):
    """What a device told of itself at one time; content: all of it."""

    at: str | None
    period_s: int
    waiting: int
    memory_resident_mb: int
    store_used_percent: int
    cpu_degrees: float | None
    content: dict[str, object]


@click.group()
def devices() -> None:
    """What there is, how it is, and its labels."""


@devices.command("list")
@click.option("--filter", "filter_", default="", help='As in `site = "kakuma-1" AND connected`.')
@format_option
@server_option
@credential_option
def list_devices(filter_: str, form: Format, server: str, credential: Path) -> None:
    """Show the devices of a filter."""
    with fleet(server, credential) as client:
        rows = [_row(device) for device in client.list_devices(filter_)]
    show(rows, DeviceRow, form, COLUMNS, "No device matches." if filter_ else "There is no device yet.")


@devices.command("show")
@click.argument("device", type=DEVICE)
@format_option
@server_option
@credential_option
def show_device(device: str, form: Format, server: str, credential: Path) -> None:
    """Show all that is known of DEVICE: desired and reported state, drift, telemetry."""
    with fleet(server, credential) as client:
        found = client.get_device(device)
    show_one(_page(found), form)


@devices.command("label")
@click.argument("device", type=DEVICE)
@click.argument("labels", nargs=-1, required=True, metavar="NAME=VALUE|NAME-...")
@etag_option
@server_option
@credential_option
def label(device: str, labels: tuple[str, ...], etag: str, server: str, credential: Path) -> None:
    """Set labels of DEVICE (ring=early), or take them away (ring-)."""
    changes: dict[str, str | None] = {}
    for text in labels:
        name, equals, value = text.partition("=")
        if not equals and not text.endswith("-"):
            raise click.UsageError(f"{text!r} is no label: write NAME=VALUE, or NAME- to take one away")
        changes[name if equals else text[:-1]] = value if equals else None
    with fleet(server, credential) as client:
        changed = client.update_device(device, changes, etag)
    click.echo(f"{device}: {_told(dict(changed.labels))}")


@click.group()
def telemetry() -> None:
    """How devices are."""


@telemetry.command("show")
@click.argument("device", type=DEVICE)
@click.option("--since", type=MomentType(), default="24h", show_default=True, help="A time, or an age.")
@format_option
@server_option
@credential_option
def show_telemetry(device: str, since: datetime, form: Format, server: str, credential: Path) -> None:
    """Show what DEVICE told of itself; json and csv hold all of it."""
    with fleet(server, credential) as client:
        rows = [_telemetry_row(point) for point in client.list_telemetry(device, since)]
    show(rows, TelemetryRow, form, TELEMETRY_COLUMNS, f"{device} told nothing of itself since then.")


def _row(device: inventory_pb2.Device) -> DeviceRow:
    return DeviceRow(
        device_id=device.device_id,
        site=device.site,
        health=word(inventory_pb2.DeviceHealth, device.health),
        connected=device.connected,
        software_version=device.software_version,
        last_seen=moment(device, "last_seen_at"),
        labels=dict(device.labels),
        groups=tuple(device.groups),
        problems=tuple(device.problems),
        etag=device.etag,
    )


def _page(device: inventory_pb2.Device) -> DevicePage:
    reported = device.reported if device.HasField("reported") else None
    return DevicePage(
        device_id=device.device_id,
        site=device.site,
        health=word(inventory_pb2.DeviceHealth, device.health),
        connected=device.connected,
        software_version=device.software_version,
        first_seen=moment(device, "first_seen_at"),
        last_seen=moment(device, "last_seen_at"),
        labels=dict(device.labels),
        groups=tuple(device.groups),
        problems=tuple(device.problems),
        desired_generation=device.desired.generation if device.HasField("desired") else None,
        desired_settings={each.name: each.value for each in device.desired.settings},
        desired_artifacts=tuple(
            f"{word(state_pb2.ArtifactKind, each.kind)} {each.version}" for each in device.desired.artifacts
        ),
        reported_generation=None if reported is None else reported.generation,
        reported_result=None if reported is None else word(state_pb2.DesiredResult, reported.result),
        refusals={each.field: each.reason for each in device.reported.refusals},
        drift=tuple(device.drift),
        telemetry_at=moment(device, "telemetry_at"),
        telemetry=MessageToDict(device.telemetry, preserving_proto_field_name=True),
        etag=device.etag,
    )


def _telemetry_row(point: inventory_pb2.TelemetryPoint) -> TelemetryRow:
    told = point.telemetry
    return TelemetryRow(
        at=moment(point, "at"),
        period_s=told.period_s,
        waiting=told.waiting,
        memory_resident_mb=told.memory_resident_mb,
        store_used_percent=told.store_used_percent,
        cpu_degrees=told.cpu_decidegrees / 10 if told.HasField("cpu_decidegrees") else None,
        content=MessageToDict(told, preserving_proto_field_name=True),
    )


def _told(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "no labels"
