"""Alerts and hooks at the desk's edge."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from aggregator.codec import timestamp
from aggregator.fleet.alerts import Alert, AlertKind, Severity
from aggregator.fleet.hooks import Hook, may_be_told
from aggregator.fleet.terms import Invalid
from aidpost.v1 import alert_pb2
from trust.names import is_name

MAX_URL = 500
MAX_SITES = 500
_EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,190}")
_SEVERITIES = {
    alert_pb2.ALERT_SEVERITY_UNSPECIFIED: Severity.WARNING,
    alert_pb2.ALERT_SEVERITY_NOTICE: Severity.NOTICE,
    alert_pb2.ALERT_SEVERITY_WARNING: Severity.WARNING,
    alert_pb2.ALERT_SEVERITY_URGENT: Severity.URGENT,
}
_OF_SEVERITIES = {
    severity: message
    for message, severity in _SEVERITIES.items()
    if message != alert_pb2.ALERT_SEVERITY_UNSPECIFIED
}
KINDS = {
    AlertKind.PEOPLE_TURNED_AWAY: alert_pb2.ALERT_KIND_PEOPLE_TURNED_AWAY,
    AlertKind.PEOPLE_WAITING: alert_pb2.ALERT_KIND_PEOPLE_WAITING,
    AlertKind.WRONG_REFUSALS: alert_pb2.ALERT_KIND_WRONG_REFUSALS,
    AlertKind.DEVICE_SILENT: alert_pb2.ALERT_KIND_DEVICE_SILENT,
    AlertKind.SITE_SILENT: alert_pb2.ALERT_KIND_SITE_SILENT,
    AlertKind.PART_MISSING: alert_pb2.ALERT_KIND_PART_MISSING,
    AlertKind.CLOCK_LOST: alert_pb2.ALERT_KIND_CLOCK_LOST,
    AlertKind.STORE_NEARLY_FULL: alert_pb2.ALERT_KIND_STORE_NEARLY_FULL,
    AlertKind.CERTIFICATE_ENDS: alert_pb2.ALERT_KIND_CERTIFICATE_ENDS,
    AlertKind.NUMBERS_MISSING: alert_pb2.ALERT_KIND_NUMBERS_MISSING,
    AlertKind.UNDER_VOLTAGE: alert_pb2.ALERT_KIND_UNDER_VOLTAGE,
    AlertKind.TOO_HOT: alert_pb2.ALERT_KIND_TOO_HOT,
    AlertKind.ROLLOUT_STOPPED: alert_pb2.ALERT_KIND_ROLLOUT_STOPPED,
    AlertKind.DESIRED_REFUSED: alert_pb2.ALERT_KIND_DESIRED_REFUSED,
}


def alert_message(alert: Alert) -> alert_pb2.Alert:
    """Return an alert as protobuf."""
    return alert_pb2.Alert(
        number=alert.number,
        kind=KINDS[alert.kind],
        severity=_OF_SEVERITIES[alert.severity],
        device_id=alert.device_id,
        site=alert.site,
        sentence=alert.sentence,
        opened_at=timestamp(alert.opened_ns),
        seen_at=timestamp(alert.seen_ns),
        closed_at=None if alert.closed_ns is None else timestamp(alert.closed_ns),
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at=None if alert.acknowledged_ns is None else timestamp(alert.acknowledged_ns),
    )


def hook_message(hook: Hook) -> alert_pb2.Hook:
    """Return a hook as protobuf, without its key."""
    message = alert_pb2.Hook(
        name=hook.name,
        etag=str(hook.revision),
        from_severity=_OF_SEVERITIES[hook.from_severity],
        sites=hook.sites,
        results=hook.results,
        disabled=hook.disabled,
        fault=hook.fault,
    )
    if hook.url:
        message.url = hook.url
    else:
        message.email = hook.email
    return message


def parse_hook(message: alert_pb2.Hook, revision: int) -> Hook | Invalid:
    """Return what a hook should be; revision: as its etag names it, 0 for whatever is there."""
    if not is_name(message.name):
        return Invalid("hook.name", "write 1 to 63 letters, digits, dots, dashes or underscores")
    if message.from_severity not in _SEVERITIES:
        return Invalid("hook.from_severity", "this version knows notice, warning and urgent")
    if len(message.sites) > MAX_SITES or not all(is_name(site) for site in message.sites):
        return Invalid("hook.sites", f"name at most {MAX_SITES} sites, or none for all")
    match message.WhichOneof("where"):
        case "url":
            if (why := _wrong_url(message.url)) is not None:
                return Invalid("hook.url", why)
        case "email":
            if not _EMAIL.fullmatch(message.email):
                return Invalid("hook.email", "write one address, as duty@ops.example")
        case _:
            return Invalid("hook.where", "say where: a url or an email")
    return Hook(
        name=message.name,
        revision=revision,
        url=message.url,
        email=message.email,
        from_severity=_SEVERITIES[message.from_severity],
        sites=tuple(sorted(set(message.sites))),
        results=message.results,
        disabled=message.disabled,
        fault="",
    )


def _wrong_url(url: str) -> str | None:
    if len(url) > MAX_URL or not url.isprintable() or " " in url:
        return f"write at most {MAX_URL} printable characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "write it as https://ops.example/alerts"
    if parts.scheme != "https" or not parts.hostname or port == 0:
        return "write it as https://ops.example/alerts: alerts are told over TLS alone"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "leave out user, password and fragment: what is told is signed"
    if not may_be_told(parts.hostname):
        return "nobody is told anything at such an address: write the name of the machine that is told"
    return None
