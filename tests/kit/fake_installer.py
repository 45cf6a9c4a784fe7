"""An installer that obeys RAUC's rules without a kernel: it knows the bundles there are, slots are files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import httpx

from firmware.slots.backend import answer
from firmware.slots.forward import newer
from firmware.slots.machine import Slot
from firmware.updater import UpdateFailed
from firmware.updating.installer import SlotFacts
from imaging.bundle import BLOCK_BYTES
from tests.kit.rauc_room import BUNDLES, RUNNING, bundle, image
from tests.kit.slot_machine import Firmware

HEAD_BYTES = 16 << 10
BLOCK_READ_BYTES = 2 * BLOCK_BYTES


class FakeInstaller:
    """bundles: the folder of those there are; each is known by its last bytes, where its signature is."""

    def __init__(self, machine: Firmware, bundles: Path) -> None:
        self._machine = machine
        self._folder = machine.machine.selector.parent
        self._known = {_end(bundle(bundles, kind).read_bytes()): kind for kind in BUNDLES}
        self._written = ""
        self._client = httpx.AsyncClient(timeout=None)  # noqa: S113 -- RAUC waits as long, too

    async def close(self) -> None:
        await self._client.aclose()

    async def install(self, source: str) -> None:
        kind = await self._kind(source)
        version = BUNDLES[kind]
        if kind == "strange":
            raise UpdateFailed("System mismatch")
        if not newer(version, RUNNING):
            raise UpdateFailed("Handler error")
        self._written = ""
        answer(self._machine.machine, self._machine.selector, ("set-state", self._other.value, "bad"))
        new, slot = image(version), self._folder / f"root_{self._other.value.lower()}"
        held = {old[place : place + BLOCK_BYTES] for old in self._slots() for place in _places(old)}
        for place in _places(new):
            block = new[place : place + BLOCK_BYTES]
            if block not in held:
                await self._read(source, place, BLOCK_READ_BYTES)
            if kind == "tampered" and place > len(new) // 3:
                raise UpdateFailed("Error reading from file: Input/output error")
            with slot.open("r+b") as file:
                file.seek(place)
                file.write(block)
        self._written = version

    async def slots(self) -> Sequence[SlotFacts]:
        running = self._machine.machine.current()
        return tuple(
            SlotFacts(f"rootfs.{number}", slot is running, "" if slot is running else self._written)
            for number, slot in enumerate(Slot)
        )

    async def mark(self, state: str, slot: str) -> None:
        named = self._machine.machine.current() if slot == "booted" else self._other
        words = ("set-primary", named.value) if state == "active" else ("set-state", named.value, state)
        answer(self._machine.machine, self._machine.selector, words)

    @property
    def _other(self) -> Slot:
        return self._machine.machine.current().other

    def _slots(self) -> list[bytes]:
        return [(self._folder / f"root_{slot}").read_bytes() for slot in ("a", "b")]

    async def _kind(self, source: str) -> str:
        head = await self._read(source, 0, 4)
        size = int(head.headers["Content-Range"].rpartition("/")[2])
        kind = self._known.get(_end((await self._read(source, size - HEAD_BYTES, HEAD_BYTES)).content))
        if kind is None or kind == "foreign":
            raise UpdateFailed("signature verification failed")
        return kind

    async def _read(self, source: str, offset: int, count: int) -> httpx.Response:
        asked = {"Range": f"bytes={offset}-{offset + count - 1}"}
        read = await self._client.get(source, headers=asked)
        if read.status_code != 206:
            raise UpdateFailed(f"unexpected HTTP response code {read.status_code}")
        return read


def _end(content: bytes) -> str:
    return hashlib.sha256(content[-512:]).hexdigest()


def _places(content: bytes) -> range:
    return range(0, len(content), BLOCK_BYTES)
