"""How a machine reaches its network: Wi-Fi, a mobile network, a tunnel; the image makes its own files of it.

Every text here ends in the files of other programs: control characters are refused, and so is what does not
have the form that these programs read.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import Annotated, Literal

import msgspec

from trust.toml_text import to_toml

MOST_NAME_BYTES = 32
"""Of a Wi-Fi network: IEEE 802.11, 9.4.2.2."""
LEAST_PASSPHRASE, MOST_PASSPHRASE = 8, 63
"""Characters: IEEE 802.11, J.4.1; for WPA3 the same, so that either can be tried."""
_KEY_BYTES = 32
_APN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")
_PIN = re.compile(r"\d{4,8}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

WifiSecurity = Literal["any", "wpa3", "wpa2", "open"]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Wifi(_Table, frozen=True, kw_only=True):
    """A Wi-Fi network. security: "any" is WPA3 where the network has it, else WPA2."""

    name: str
    passphrase: str = ""
    security: WifiSecurity = "any"
    hidden: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= MOST_NAME_BYTES or not self.name.isprintable():
            raise ValueError(
                f"the name of a Wi-Fi network has 1 to {MOST_NAME_BYTES} bytes, all to be printed"
            )
        if self.security == "open":
            if self.passphrase:
                raise ValueError('an open Wi-Fi network has no passphrase: leave it out, or security = "any"')
            return
        fits = LEAST_PASSPHRASE <= len(self.passphrase) <= MOST_PASSPHRASE
        if not fits or not self.passphrase.isascii() or not self.passphrase.isprintable():
            raise ValueError(
                f"the passphrase of a Wi-Fi network has {LEAST_PASSPHRASE} to {MOST_PASSPHRASE} letters, "
                'digits and signs of a Latin keyboard (security = "open" for a network without one)'
            )

    def __repr__(self) -> str:
        return f"Wifi({self.name!r}, {self.security!r})"


class Cellular(_Table, frozen=True, kw_only=True):
    """A mobile network. pin: of the SIM card."""

    apn: str
    user: str = ""
    password: str = ""
    pin: str = ""

    def __post_init__(self) -> None:
        if not _APN.fullmatch(self.apn):
            raise ValueError("an APN has letters, digits, dots and hyphens, 100 at most: ask the provider")
        if len(self.user) > 64 or len(self.password) > 64 or not f"{self.user}{self.password}".isprintable():
            raise ValueError("user and password of an APN have 64 characters at most that can be printed")
        if self.pin and not _PIN.fullmatch(self.pin):
            raise ValueError("the PIN of a SIM card has 4 to 8 digits")

    def __repr__(self) -> str:
        return f"Cellular({self.apn!r})"


class Wireguard(_Table, frozen=True, kw_only=True):
    """A tunnel to one peer. address: this end's, with its prefix. allowed: the networks behind it."""

    private_key: str
    address: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=4)]
    peer_key: str
    endpoint: str
    allowed: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
    shared_key: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 25

    def __post_init__(self) -> None:
        keys = (self.private_key, self.peer_key, *([self.shared_key] if self.shared_key else []))
        if not all(map(_is_key, keys)):
            raise ValueError("a WireGuard key is 32 bytes in base64, 44 characters, as `wg genkey` prints it")
        for interface in self.address:
            ipaddress.ip_interface(_without_scope(interface))
        for network in self.allowed:
            ipaddress.ip_network(_without_scope(network))
        check_host_and_port(self.endpoint, "endpoint")

    def __repr__(self) -> str:
        return f"Wireguard({self.address!r}, {self.endpoint!r})"


class Network(_Table, frozen=True, kw_only=True):
    """All of it. country: of the radio channels that are allowed (ISO 3166-1); without it the world's."""

    country: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{2}\Z")] | None = None
    wifi: Wifi | None = None
    cellular: Cellular | None = None
    wireguard: Wireguard | None = None

    def to_text(self) -> str:
        """Return it as the file of `NETWORK_FILE`."""
        return to_toml(msgspec.to_builtins(self))


NETWORK_FILE = "network.toml"


def check_host_and_port(text: str, key: str) -> None:
    """Refuse what is no name or address with a port. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if (
        not colon
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port) < 65536
        or not _is_host(host)
    ):
        raise ValueError(f"`{key}` is {text!r}: write it as host:port, aggregator.example:50051")


def _is_host(host: str) -> bool:
    if _HOST.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(_without_scope(host))
    except ValueError:
        return False
    return True


def _without_scope(text: str) -> str:
    """Refuse the scope of an address: `ipaddress` takes any text for it, line ends too. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text!r} is an address with a scope: write it without what follows %")
    return text


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except ValueError:
        return False
