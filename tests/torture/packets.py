"""Two network namespaces whose packets we carry: the kernel's own TCP, over a link as bad as told.

What netem does, in user space over two tun devices, since kernels without sch_netem are common in virtual
machines. It needs root and /dev/net/tun.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

TUN = Path("/dev/net/tun")
DEVICE_ADDRESS, AGGREGATOR_ADDRESS = "10.77.0.1", "10.77.0.2"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_MOST_BYTES = 65536
_QUEUE_S = 2.0  # what waits longer for the link is dropped, as a modem's buffer does
_TCP, _SYN = 6, 0x02


def unavailable() -> str | None:
    """Return why there can be no such link here, None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not TUN.exists():
        return f"there is no {TUN}"
    return None


@dataclass(slots=True)
class Quality:
    """Of each direction. loss: share of packets; rate_bit_s: None for no limit."""

    loss: float = 0.0
    delay_s: float = 0.0
    rate_bit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A TCP connection by its two ports, the device's first."""

    device_port: int
    aggregator_port: int


class Link:
    """Carries packets; `bytes` counts all that were handed over, with their IP headers and repeats.

    lets_pass: asked for each TCP packet with its flow and whether it opens one.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._fds: list[int] = []
        self._free_at_s = [0.0, 0.0]
        self.quality = Quality()
        self.lets_pass: Callable[[Flow, bool], bool] = lambda _flow, _opens: True
        self.flows: set[Flow] = set()
        self.bytes = 0

    def begin(self, names: Sequence[str]) -> None:
        for name in names:
            fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
            self._fds.append(fd)
        for direction, fd in enumerate(self._fds):
            asyncio.get_running_loop().add_reader(fd, self._take, direction)

    def end(self) -> None:
        for fd in self._fds:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        self._fds.clear()

    def _take(self, direction: int) -> None:
        try:
            packet = os.read(self._fds[direction], _MOST_BYTES)
        except BlockingIOError:
            return
        self.bytes += len(packet)
        if not self._passes(packet, direction) or self._rng.random() < self.quality.loss:
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        free_s = max(now_s, self._free_at_s[direction])
        if self.quality.rate_bit_s is not None:
            if free_s - now_s > _QUEUE_S:
                return
            free_s += len(packet) * 8 / self.quality.rate_bit_s
            self._free_at_s[direction] = free_s
        loop.call_at(free_s + self.quality.delay_s, self._give, 1 - direction, packet)

    def _give(self, end: int, packet: bytes) -> None:
        if self._fds:
            os.write(self._fds[end], packet)

    def _passes(self, packet: bytes, direction: int) -> bool:
        if packet[0] >> 4 != 4 or packet[9] != _TCP:
            return False
        header = (packet[0] & 15) * 4
        ports = struct.unpack_from(">HH", packet, header)
        flow = Flow(*(ports if direction == 0 else ports[::-1]))
        passes = self.lets_pass(flow, bool(packet[header + 13] & _SYN))
        self.flows.add(flow)
        return passes


class ForgetfulNat:
    """Forgets a connection on which nothing passed for `idle_s`; its later packets vanish."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._last_s: dict[Flow, float] = {}

    def __call__(self, flow: Flow, opens: bool) -> bool:
        now_s = time.monotonic()
        known = now_s - self._last_s.get(flow, -1e9) < self._idle_s
        if known or opens:
            self._last_s[flow] = now_s
        return known or opens


@dataclass(frozen=True, slots=True)
class Ends:
    """How to run a command at each end of the link."""

    link: Link
    device: tuple[str, ...]
    aggregator: tuple[str, ...]


@asynccontextmanager
async def linked(rng: random.Random) -> AsyncIterator[Ends]:
    """Yield two namespaces and the link between them."""
    link = Link(rng)
    spaces = [f"aidpost-{os.getpid()}-{end}" for end in ("device", "aggregator")]
    names = [f"aid{os.getpid() % 100_000}{end}" for end in "da"]
    try:
        link.begin(names)
        for space, name, address in zip(spaces, names, (DEVICE_ADDRESS, AGGREGATOR_ADDRESS), strict=True):
            _ip("netns", "add", space)
            _ip("link", "set", name, "netns", space)
            _ip("-n", space, "address", "add", f"{address}/30", "dev", name)
            _ip("-n", space, "link", "set", name, "up")
            _ip("-n", space, "link", "set", "lo", "up")
        device, aggregator = (("ip", "netns", "exec", space) for space in spaces)
        yield Ends(link, device, aggregator)
    finally:
        link.end()
        for space in spaces:
            _ip("netns", "delete", space)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: S607  (Debian's iproute2)
