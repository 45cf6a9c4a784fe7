"""Machines as network namespaces on one bridge; two of them can be cut off from each other without a word."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

NETWORK = "10.78.0"  # of tests alone


@dataclass(frozen=True, slots=True)
class Machine:
    """prefix: a command that executes the one after it there."""

    space: str
    address: str

    @property
    def prefix(self) -> Sequence[str]:
        return ("ip", "netns", "exec", self.space)


@dataclass(slots=True)
class Network:
    """The machines by their names; this process is at `NETWORK`.1."""

    bridge: str
    machines: dict[str, Machine] = field(default_factory=dict)

    def add(self, name: str) -> Machine:
        """Make one more machine."""
        number = len(self.machines) + 2
        machine = Machine(f"{self.bridge}-{name}", f"{NETWORK}.{number}")
        self.machines[name] = machine
        outside, inside = f"{self.bridge}v{number}", f"{self.bridge}i{number}"
        _ip("netns", "add", machine.space)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", machine.space)
        _ip("link", "set", outside, "master", self.bridge, "up")
        _ip("-n", machine.space, "address", "add", f"{machine.address}/24", "dev", inside)
        for device in (inside, "lo"):
            _ip("-n", machine.space, "link", "set", device, "up")
        return machine

    def cut(self, machine: Machine, others: Sequence[Machine]) -> None:
        """Let what the others send to a machine disappear: to it they are silent."""
        for other in others:
            _ip("-n", other.space, "route", "add", "blackhole", f"{machine.address}/32")

    def mend(self, machine: Machine, others: Sequence[Machine]) -> None:
        """Undo a cut."""
        for other in others:
            _ip("-n", other.space, "route", "delete", "blackhole", f"{machine.address}/32")

    def pull_plug(self, machine: Machine) -> None:
        """Take a machine from the network, so that nobody hears of its end."""
        _ip("link", "set", self._outside(machine), "down")

    def plug_in(self, machine: Machine) -> None:
        _ip("link", "set", self._outside(machine), "up")

    def _outside(self, machine: Machine) -> str:
        return f"{self.bridge}v{machine.address.rpartition('.')[2]}"


@contextmanager
def network() -> Iterator[Network]:
    """Yield a bridge without machines; needs root and Debian's iproute2."""
    made = Network(f"aid{os.getpid() % 100_000}")
    _ip("link", "add", made.bridge, "type", "bridge")
    try:
        _ip("address", "add", f"{NETWORK}.1/24", "dev", made.bridge)
        _ip("link", "set", made.bridge, "up")
        yield made
    finally:
        for machine in made.machines.values():
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", machine.space)
        _ip("link", "delete", made.bridge)


def unavailable() -> str | None:
    """Return why there can be no such network here, None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with network() as made:
            made.add("try")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be made: {error}"
    return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: S607  (Debian's iproute2)
