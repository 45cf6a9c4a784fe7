"""Which slot serves, and with which version; and whether it has a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.image.agent import Agent, GuestFailed
from tests.image.machine import Machine
from tests.image.stage import BOOT_S

LOOK = (
    "systemctl is-active --quiet aidpost && [ ! -e /run/aidpost/trial ] && cat /run/aidpost/slot"
    " && /usr/lib/rauc/aidpost-tryboot get-primary && cat /usr/lib/aidpost/version"
)
_POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class Serving:
    """The slot that serves, and the version in it."""

    slot: str
    version: str


async def serves(machine: Machine) -> Serving:
    """Wait until the appliance serves from the primary slot, whichever it is, and no trial is pending."""
    async with asyncio.timeout(3 * BOOT_S):
        while True:
            agent = await machine.agent(BOOT_S, boot=len(machine.boots))
            try:
                answer = await agent.sh(LOOK)
                if answer.status == 0:
                    slot, primary, version = answer.output.split()
                    if slot == primary:
                        return Serving(slot, version)
            except GuestFailed:  # it starts anew by itself: a slot on trial
                pass
            await asyncio.sleep(_POLL_S)


async def online(agent: Agent) -> None:
    """Wait until the guest has its address, which the appliance starts without. Raises GuestFailed."""
    look = "for s in $(seq 300); do ip route | grep -q default && exit; sleep 1; done; exit 1"
    await agent.run(look, BOOT_S)
