"""Under which addresses others in the site's networks reach this machine."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

from trust.tls.address import Address

INTERFACES = Path("/sys/class/net")
_SIOCGIFADDR = 0x8915
_NAME_BYTES, _REQUEST_BYTES = 15, 40
_ADDRESS = slice(20, 24)  # of the request: 16 of the name, 2 of the family, 2 of the port
_NOT_OF_THE_SITE = ("lo", "aidpost0")
"""The loopback, and the tunnel to the desk."""


def own_addresses(interfaces: Path = INTERFACES) -> tuple[str, ...]:
    """Return the IPv4 address of each interface that has one (netdevice(7)); the services may ask no more."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for path in sorted(interfaces.glob("*")):
            if path.name in _NOT_OF_THE_SITE:
                continue
            request = struct.pack(f"{_REQUEST_BYTES}s", path.name.encode()[:_NAME_BYTES])
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
            except OSError:  # no address, or none of IPv4
                continue
            found.append(socket.inet_ntoa(answer[_ADDRESS]))
    return tuple(found)


def reached_at(listens: Address, interfaces: Path = INTERFACES) -> tuple[str, ...]:
    """Return where others find a page over TLS, as browsers write it: on each interface or the one named."""
    if listens.host not in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
        return (f"https://{listens}",)
    return tuple(f"https://{Address(own, listens.port)}" for own in own_addresses(interfaces))
