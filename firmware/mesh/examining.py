"""What `aidpost doctor` asks of the site: which appliances answer, and whether they serve the same list."""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from firmware.mesh.book import SiteCycle
from firmware.mesh.codec import ListId
from firmware.mesh.credential import SiteCredential
from firmware.mesh.neighbour import DIAL_S, Neighbour
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from trust.keys.guard import KeyGuard
from trust.names import DeviceName

# What comes of it is a finding, and stands in no log besides.
_SILENT = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@dataclass(frozen=True, slots=True)
class PeerFinding:
    """What one appliance of the site answered.

    reached: over mutual TLS, by the name that it should have. same_list: None where that could not be asked.
    trouble: why not, empty where all is well.
    """

    device: str
    target: Target
    reached: bool
    same_list: bool | None
    trouble: str


async def examine_peers(
    peers: Mapping[str, Target],
    named: DeviceName,
    guard: KeyGuard,
    folder: Path,
    cycle: SiteCycle | None,
    *,
    patience_s: float = DIAL_S,
) -> list[PeerFinding]:
    """Dial each of them once, all at the same time; nothing is claimed or changed anywhere.

    folder: where `identity.pem` lies. cycle: the list that is loaded here, or None. Raises UplinkError.
    """
    credential = SiteCredential(guard, named, folder)
    with tempfile.TemporaryDirectory(prefix="aidpost-site-") as sockets:
        return await asyncio.gather(
            *(
                _examine(DeviceName(device, named.site), target, credential, Path(sockets), cycle, patience_s)
                for device, target in peers.items()
            )
        )


async def _examine(
    named: DeviceName,
    target: Target,
    credential: SiteCredential,
    sockets: Path,
    cycle: SiteCycle | None,
    patience_s: float,
) -> PeerFinding:
    changed = asyncio.Event()
    backoff = Backoff(random.SystemRandom(), cap_s=patience_s)
    neighbour = Neighbour(named, target, credential, sockets, backoff, on_change=changed.set, log=_SILENT)
    running = asyncio.create_task(neighbour.run())
    try:
        with suppress(TimeoutError):
            # It changes when it is reached, and as soon as the first try is known to have come to nothing.
            async with asyncio.timeout(patience_s):
                await changed.wait()
        if not neighbour.reachable:
            return PeerFinding(named.device_id, target, False, None, neighbour.trouble or "no answer")
        if cycle is None:
            return PeerFinding(named.device_id, target, True, None, "")
        same = await neighbour.report(ListId(cycle.cycle, cycle.digest), ())
        return PeerFinding(named.device_id, target, True, same, neighbour.trouble)
    finally:
        running.cancel()
        await asyncio.wait({running})
