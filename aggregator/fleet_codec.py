"""Devices, sites, groups and what is desired of them at the wire's edge: protobuf to values and back."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from aggregator import state_codec
from aggregator.codec import NO_TIME, timestamp, wall_ns_of
from aggregator.fleet.terms import (
    FLEET,
    Desire,
    DesireChange,
    FleetDevice,
    Group,
    Health,
    Invalid,
    Scope,
    ScopeKind,
    Site,
    StoredArtifact,
)
from aggregator.malformed import Malformed
from aggregator.telemetry_codec import telemetry_message
from aidpost.v1 import inventory_pb2, state_pb2
from trust.state import ServiceWindow

DAY_S = 24 * 3600
_HEALTH = {
    Health.WELL: inventory_pb2.DEVICE_HEALTH_WELL,
    Health.WARNING: inventory_pb2.DEVICE_HEALTH_WARNING,
    Health.FAILING: inventory_pb2.DEVICE_HEALTH_FAILING,
    Health.SILENT: inventory_pb2.DEVICE_HEALTH_SILENT,
    Health.BARRED: inventory_pb2.DEVICE_HEALTH_BARRED,
}


def device(value: FleetDevice, *, whole: bool) -> inventory_pb2.Device:
    """Return a device; whole: with its states and its telemetry."""
    message = inventory_pb2.Device(
        device_id=value.device_id,
        site=value.site,
        labels=value.labels,
        etag=str(value.revision),
        software_version=value.software_version,
        connected=value.connected,
        first_seen_at=timestamp(value.first_seen_ns),
        last_seen_at=timestamp(value.last_seen_ns),
        health=_HEALTH[value.health],
        problems=value.problems,
        groups=value.groups,
        drift=() if value.reported is None else value.reported.drift,
    )
    if whole and value.desired is not None:
        message.desired.CopyFrom(state_codec.desired(value.desired.state))
    if whole and value.reported is not None:
        message.reported.CopyFrom(state_codec.reported(value.reported.state))
    if whole and value.telemetry is not None:
        message.telemetry.CopyFrom(telemetry_message(value.telemetry))
        message.telemetry_at.CopyFrom(timestamp(value.telemetry_ns))
    return message


def site(value: Site) -> inventory_pb2.Site:
    """Return a site."""
    until_ns = value.support_consent_until_ns
    return inventory_pb2.Site(
        name=value.name,
        etag=str(value.revision),
        title=value.title,
        labels=value.labels,
        latitude=value.latitude,
        longitude=value.longitude,
        window=None if value.window is None else state_codec.window(value.window),
        daily_budget_bytes=value.daily_budget_bytes,
        megabyte_cost_milli=value.megabyte_cost_milli,
        currency=value.currency,
        support_consent_until=timestamp(until_ns) if until_ns else None,
        devices=value.devices,
    )


def changed_site(
    before: Site, message: inventory_pb2.Site, paths: set[str], labels: dict[str, str]
) -> Site | Invalid:
    """Return a site after a change of these paths; labels: as they are to be."""
    window: ServiceWindow | Invalid | None = before.window
    if "window" in paths:
        window = _window(message.window) if message.HasField("window") else None
        if isinstance(window, Invalid):
            return window
    has = message.HasField
    asked = {
        "title": message.title,
        "latitude": message.latitude if has("latitude") else None,
        "longitude": message.longitude if has("longitude") else None,
        "daily_budget_bytes": message.daily_budget_bytes,
        "megabyte_cost_milli": message.megabyte_cost_milli,
        "currency": message.currency,
    }
    changes = {name: value for name, value in asked.items() if name in paths}
    if "support_consent_until" in paths:
        until_ns = wall_ns_of(message.support_consent_until)
        if until_ns is None:
            return Invalid("site.support_consent_until", NO_TIME)
        changes["support_consent_until_ns"] = until_ns
    return msgspec.structs.replace(before, labels=labels, window=window, **changes)


def group(value: Group) -> inventory_pb2.Group:
    """Return a group."""
    return inventory_pb2.Group(
        name=value.name,
        etag=str(value.revision),
        title=value.title,
        filter=value.filter,
        rank=value.rank,
        devices=value.devices,
    )


def parse_scope(message: inventory_pb2.Scope) -> Scope | Invalid:
    """Return for whom something is desired."""
    match message.WhichOneof("scope"):
        case "fleet":
            return FLEET
        case "site":
            return Scope(ScopeKind.SITE, message.site)
        case "group":
            return Scope(ScopeKind.GROUP, message.group)
        case "device_id":
            return Scope(ScopeKind.DEVICE, message.device_id)
        case _:
            return Invalid("scope", "write the fleet, or a site, a group or a device")


def scope(value: Scope) -> inventory_pb2.Scope:
    """Return for whom something is desired."""
    match value.kind:
        case ScopeKind.FLEET:
            return inventory_pb2.Scope(fleet=inventory_pb2.Fleet())
        case ScopeKind.SITE:
            return inventory_pb2.Scope(site=value.subject)
        case ScopeKind.GROUP:
            return inventory_pb2.Scope(group=value.subject)
        case ScopeKind.DEVICE:
            return inventory_pb2.Scope(device_id=value.subject)


def desire(value: Desire) -> inventory_pb2.Desire:
    """Return what is desired in a scope."""
    return inventory_pb2.Desire(
        scope=scope(value.scope),
        etag=str(value.revision),
        settings=state_codec.settings(value.settings),
        artifacts=map(state_codec.artifact, value.artifacts),
        changed_at=timestamp(value.changed_ns) if value.changed_ns else None,
        changed_by=value.changed_by,
    )


def desire_change(message: inventory_pb2.Desire, paths: list[str]) -> DesireChange | Invalid:
    """Return what to change of a desire: what the paths name, or with none, all that the message holds."""
    settings = {setting.name: setting.value for setting in message.settings}
    if len(settings) < len(message.settings):
        return Invalid("desire.settings", "a setting stands there twice")
    artifacts = {}
    for each in message.artifacts:
        try:
            artifact = state_codec.parse_artifact(each)
        except Malformed as error:
            return Invalid("desire.artifacts", str(error))
        if artifact.kind.value in artifacts:
            return Invalid(f"desire.artifacts.{artifact.kind.value}", "it stands there twice")
        artifacts[artifact.kind.value] = artifact
    if not paths:
        return DesireChange({**settings}, {**artifacts})
    change = DesireChange({}, {})
    for path in paths:
        field, _, name = path.partition(".")
        if field == "settings" and name:
            change.settings[name] = settings.get(name)
        elif field == "artifacts" and name:
            change.artifacts[name] = artifacts.get(name)
        else:
            return Invalid(
                "update_mask", f"{path} cannot be changed here: write settings.NAME or artifacts.KIND"
            )
    return change


def stored_artifact(value: StoredArtifact) -> inventory_pb2.StoredArtifact:
    """Return a file that is held."""
    return inventory_pb2.StoredArtifact(
        artifact=state_codec.artifact(value.artifact),
        title=value.title,
        added_at=timestamp(value.added_ns),
        added_by=value.added_by,
    )


def _window(message: state_pb2.ServiceWindow) -> ServiceWindow | Invalid:
    try:
        ZoneInfo(message.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Invalid("site.window.time_zone", "write an IANA name, as Africa/Nairobi")
    for name, span in (("start", message.start), ("end", message.end)):
        if not 0 <= span.seconds <= DAY_S or span.nanos:
            return Invalid(f"site.window.{name}", "write whole seconds since midnight, up to 24 hours")
    if any(day > 6 for day in message.weekdays):
        return Invalid("site.window.weekdays", "days go from 0, Monday, to 6")
    days = tuple(sorted(set(message.weekdays)))
    return ServiceWindow(message.time_zone, message.start.seconds, message.end.seconds % DAY_S, days)
