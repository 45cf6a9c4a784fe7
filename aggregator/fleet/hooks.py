"""Where alerts and results are told, and what is told: values and their signature."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address

import msgspec

from aggregator.fleet.alerts import Alert, Severity

KEY_BYTES = 32
SIGNATURE = "Aidpost-Signature"
DELIVERY = "Aidpost-Delivery"


class Hook(msgspec.Struct, frozen=True):
    """One place. Either url, https alone, or email; sites: empty for all. fault: of the last delivery."""

    name: str
    revision: int
    url: str
    email: str
    from_severity: Severity
    sites: tuple[str, ...]
    results: bool
    disabled: bool
    fault: str

    def wants(self, alert: Alert) -> bool:
        """Tell whether it is told of an alert; what is about the whole fleet concerns every site."""
        about_its_sites = not self.sites or not alert.site or alert.site in self.sites
        return not self.disabled and alert.severity >= self.from_severity and about_its_sites


class Delivery(msgspec.Struct, frozen=True):
    """Something that waits for a place; body: JSON text, sent as it is. tries: so far."""

    number: int
    hook: str
    subject: str
    body: str
    made_ns: int
    due_ns: int
    tries: int


def may_be_told(address: str) -> bool:
    """Tell whether a hook may lead to this address; a name may, until it is resolved.

    Receivers stand on this machine and on the site's own network, so loopback and private addresses are
    taken. On link-local ones (RFC 3927, RFC 4291) clouds answer with the credentials of the machine that
    asks; they, multicast and "no address" are nobody's receiver.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    each = mapped or found
    return not (each.is_link_local or each.is_multicast or each.is_unspecified)


def signature(key: bytes, unix_s: int, body: bytes) -> str:
    """Return the value of the header: time and HMAC-SHA-256 over "time.body", in hex.

    Whoever receives it computes the same and refuses a time that is more than five minutes off.
    """
    signed = hmac.new(key, f"{unix_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={unix_s},v1={signed}"


def told(what: str, alert: Alert) -> tuple[str, str]:
    """Return subject and JSON body for an alert; what: opened, worse or closed."""
    about = alert.device_id or alert.site or "the fleet"
    subject = f"{alert.severity.name.lower()}: {alert.kind.value}, {about}" + (
        "" if what == "opened" else f" ({what})"
    )
    body = {
        "type": f"alert.{what}",
        "text": f"{subject}. {alert.sentence}",
        "alert": {
            "number": alert.number,
            "kind": alert.kind.value,
            "severity": alert.severity.name.lower(),
            "device_id": alert.device_id,
            "site": alert.site,
            "sentence": alert.sentence,
            "opened_at": _iso(alert.opened_ns),
            "closed_at": None if alert.closed_ns is None else _iso(alert.closed_ns),
        },
    }
    return subject, msgspec.json.encode(body).decode()


def _iso(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
