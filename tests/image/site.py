"""The appliance's site on this host: a real aggregator, claim files from it, the operator who approves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from firmware.demo.server import Server
from tests.image.disk import Disk
from tests.image.firmware import SELECTOR
from tests.image.machine import HOST
from trust.claim_file import NAME as CLAIM_FILE

SITE: Final = "harbour-clinic"
SUPERVISOR: Final = "ana"
_POLL_S = 10.0  # each look is a command of its own


class Site:
    """An aggregator, and one appliance that belongs to it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server: Final = server
        self._folder = folder
        self.device = ""

    async def claim_file(self, device: str, hardware: Mapping[str, str | bool]) -> bytes:
        """Return a claim file for this appliance, as the fleet manager's own command makes it."""
        common, out = self._folder / "common.toml", self._folder / device
        lines = [f"{key} = {json.dumps(value)}" for key, value in hardware.items()]
        common.write_text("\n".join(["[hardware]", *lines, ""]))
        prefix, _, number = device.rpartition("-")
        await self.server.administer(
            *("image", "personalise", "--site", SITE, "--purpose", "clinic check-in", "--guard", "otp"),
            *("--target", f"{HOST}:{self.server.listen[1]}", "--supervisor", SUPERVISOR),
            *("--prefix", f"{prefix}-", "--first", str(int(number)), "--count", "1"),
            *("--common", str(common), "--out", str(out)),
        )
        self.device = device
        (made,) = out.rglob(CLAIM_FILE)
        return made.read_bytes()

    async def put_claim_on(self, disk: Disk, device: str, hardware: Mapping[str, str | bool]) -> None:
        """Copy a claim file onto the card, as any computer could."""
        claim = await self.claim_file(device, hardware)
        await asyncio.to_thread(disk.write_file, SELECTOR, CLAIM_FILE, claim)

    async def approve(self, timeout_s: float) -> str:
        """Wait until the appliance asks to join, and approve it; return the words of its key."""
        async with asyncio.timeout(timeout_s):
            while True:
                for line in (await self.server.administer("devices", "pending")).splitlines():
                    if line.split()[:1] == [self.device]:
                        _, _, _, words, *_ = line.split()
                        await self.server.administer("devices", "approve", self.device, words)
                        return words
                await asyncio.sleep(_POLL_S)

    async def until_shown(self, word: str, timeout_s: float) -> str:
        """Wait until what is known of the appliance has this word; return all of it."""
        async with asyncio.timeout(timeout_s):
            while True:
                said = await self.server.administer("fleet", "devices", "show", self.device)
                if word in said:
                    return said
                await asyncio.sleep(_POLL_S)

    async def until_event(self, kind: str, timeout_s: float) -> dict[str, Any]:
        """Wait until the aggregator holds an event of this kind from the appliance."""
        async with asyncio.timeout(timeout_s):
            while True:
                for event in await self.server.results():
                    if event.get("kind") == kind and event.get("device_id", self.device) == self.device:
                        return event
                await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """Start an aggregator with an authority of its own in this folder, and stop it at the end."""
    server = await Server.start(folder)
    try:
        yield Site(server, folder)
    finally:
        await server.stop()
