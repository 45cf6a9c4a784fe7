"""Who is at the other end of a connection: the gate knows it, the services ask here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from trust.checking import Peer
from trust.names import DeviceName, Role


@dataclass(frozen=True, slots=True)
class Caller:
    """peer: whom the checked certificate names, None without one. address: where the connection came from."""

    peer: Peer | None
    address: str

    @property
    def role(self) -> Role | None:
        """The caller's role, None without a certificate."""
        if self.peer is None:
            return None
        return Role.DEVICE if isinstance(self.peer.named, DeviceName) else self.peer.named.role

    def __str__(self) -> str:
        """Return role and name, for the logs."""
        if self.peer is None:
            return "nobody"
        named = self.peer.named
        if isinstance(named, DeviceName):
            return f"device {named.device_id}"
        return f"{named.role.value} {named.name}"


class Call(Protocol):
    """A call as gRPC's servicer context has it."""

    def peer(self) -> str:
        """Return what gRPC calls the other end of the connection."""


NOBODY = Caller(None, "unknown")


class Callers:
    """Callers by what gRPC calls their peer."""

    def __init__(self) -> None:
        self._by_peer: dict[str, Caller] = {}

    @contextmanager
    def present(self, peer: str, caller: Caller) -> Iterator[None]:
        """Know the caller under this name for the time of its connection."""
        self._by_peer[peer] = caller
        try:
            yield
        finally:
            del self._by_peer[peer]

    def of(self, context: Call) -> Caller:
        """Return who makes the call; whoever did not come through the gate is nobody."""
        return self._by_peer.get(context.peer(), NOBODY)
