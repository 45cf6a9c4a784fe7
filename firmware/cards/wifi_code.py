r"""The code by which phones and routers share a Wi-Fi network: what it says, as the setting of a network.

    WIFI:T:WPA;S:Harbour Clinic;P:a\;passphrase;H:true;;

T: security; S: name; P: passphrase; H: hidden; R: 1 where WPA2 is no longer allowed; any order, and more. A
backslash keeps the sign after it (WPA3 Specification 3.3, section 7; ZXing's "Barcode Contents").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, unique

from trust.network import Wifi, WifiSecurity

WIFI_PREFIXES = ("WIFI:", "wifi:")
MOST_LETTERS = 1024
"""Name and passphrase have 95 letters at most, and others sort their own fields in."""
_FIELD = re.compile(r"([A-Za-z0-9]+):((?:\\.|[^\\;])*)(?:;|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Signs of a name that looks like hexadecimal digits, which some generators put between quotation marks.
_QUOTED = re.compile(r'"([0-9A-Fa-f]*)"')
_WITH_PASSPHRASE = frozenset(
    {"WPA", "WPA2", "WPA3", "WPA/WPA2", "WPA2/WPA3", "WPA-PSK", "WPA2-PSK", "WPA3-SAE", "RSN", "SAE"}
)
_OPEN = frozenset({"", "NOPASS", "NONE"})
_OF_A_COMPANY = frozenset({"E", "PH2", "I", "A"})  # method, phase 2, identity, anonymous identity


@unique
class WifiCodeRefused(Enum):
    """Why a code gives no network that can be joined."""

    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    """WEP, or a network with user names."""


def from_wifi_code(code: str) -> Wifi | WifiCodeRefused:
    """Return the network that a code names, or why none; the code itself is never told."""
    if len(code) > MOST_LETTERS or not code.startswith(WIFI_PREFIXES):
        return WifiCodeRefused.UNREADABLE
    fields = _fields(code[len(WIFI_PREFIXES[0]) :])
    security, passphrase = fields.get("T", "").upper(), fields.get("P", "")
    if not security and passphrase:
        security = "WPA"
    if security not in _OPEN | _WITH_PASSPHRASE or (security not in _OPEN and _OF_A_COMPANY & fields.keys()):
        return WifiCodeRefused.UNSUPPORTED
    try:
        return Wifi(
            name=fields.get("S", ""),
            passphrase="" if security in _OPEN else passphrase,
            security="open" if security in _OPEN else _passphrase_security(fields),
            hidden=fields.get("H", "").lower() in ("true", "1"),
        )
    except ValueError:
        return WifiCodeRefused.UNREADABLE


def _passphrase_security(fields: Mapping[str, str]) -> WifiSecurity:
    # A phone says SAE of a network that takes WPA2 too, which radios of the boards may have to use.
    return "wpa3" if fields.get("R", "") == "1" else "any"


def _fields(text: str) -> dict[str, str]:
    """Return each field once, as it was written first; what is no field ends the reading."""
    found: dict[str, str] = {}
    place = 0
    while (field := _FIELD.match(text, place)) is not None:
        found.setdefault(field[1].upper(), _value(field[2]))
        place = field.end()
    return found


def _value(written: str) -> str:
    quoted = _QUOTED.fullmatch(written)
    return _ESCAPED.sub(r"\1", written) if quoted is None else quoted[1]
