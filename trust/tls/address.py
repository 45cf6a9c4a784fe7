"""Where a server listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104 -- compared with, not listened on


class AddressRefused(ValueError):
    """The address cannot be listened on; the message says why."""


class AddressInUse(OSError):
    """Another program listens on the address, or it is not this machine's."""


LOOPBACK_OR_TLS = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])([:/]|$))"
"""What a URL begins with to which nothing goes in the clear over a network."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address written as 127.0.0.1:50051 or [::]:50051; raises AddressRefused."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise AddressRefused(f"{text!r} is no address: write it as 127.0.0.1:50051")
        host = host.removeprefix("[").removesuffix("]")
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            if host != "localhost":
                raise AddressRefused(
                    f"{host or 'nothing'} is no address to listen on: write 0.0.0.0 for every interface"
                ) from error
        return cls(host, int(port))

    def overlaps(self, other: Address) -> bool:
        """Whether both cannot be listened on: one port of one host, or of every interface; port 0 is none."""
        if self.port != other.port or self.port == 0:
            return False
        return self.host == other.host or any(one.host in _EVERY_INTERFACE for one in (self, other))

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach the address."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
