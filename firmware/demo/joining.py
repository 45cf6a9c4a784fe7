"""How the demonstration's appliance joins: claim code, request, approval by the operator, certificate."""

from __future__ import annotations

import asyncio

from firmware.clock import Clock
from firmware.config import Config
from firmware.demo.server import Server
from firmware.opening import open_keys, open_membership
from firmware.uplink.channel import Target
from trust.claim import Claim


async def join(server: Server, config: Config) -> str:
    """Let the appliance of this configuration join; return the words of its key. Raises UplinkError."""
    code = (await server.administer("claim", "create", "--site", config.device.site)).strip()
    asked, approved = asyncio.Event(), asyncio.Event()

    async def until_approved(_delay_s: float) -> None:
        await approved.wait()

    with open_keys(config) as guard:
        membership = open_membership(config, guard, Target.parse(server.target), Clock(), until_approved)
        joining = asyncio.create_task(membership.join(Claim.parse(code), asked.set))
        pending = asyncio.create_task(asked.wait())
        await asyncio.wait({joining, pending}, return_when=asyncio.FIRST_COMPLETED)
        if pending.done():
            await server.administer("devices", "approve", config.device.id, membership.key_words)
            approved.set()
        pending.cancel()
        await joining
        return membership.key_words
