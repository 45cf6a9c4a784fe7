"""Where the aggregator listens: this machine alone, as long as its streams are not encrypted."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


class AddressRefused(ValueError):
    """The address cannot be listened on; the message says why."""


class AddressInUse(OSError):
    """Another program listens on the address, or it is not this machine's."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address written as 127.0.0.1:50051 or [::1]:50051; raises AddressRefused.

        Only loopback addresses are taken: nobody is authenticated and nothing is encrypted yet.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise AddressRefused(f"{text!r} is no address: write it as 127.0.0.1:50051")
        host = host.removeprefix("[").removesuffix("]")
        if not _is_loopback(host):
            raise AddressRefused(
                f"{host or 'every interface'} can be reached from other machines, and this version has "
                "neither encryption nor device identity: listen on 127.0.0.1, and forward the port by SSH or "
                "a VPN if it is needed elsewhere"
            )
        return cls(host, int(port))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
