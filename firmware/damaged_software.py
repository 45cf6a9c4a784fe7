"""Says that older software runs because the newer one was damaged: to staff, and once to the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path

import structlog

from firmware.host import Host
from firmware.records import DeviceFault

PART = "software"
_TOLD = "software-damaged"
log = structlog.get_logger()


async def tell(
    host: Host,
    data: Path,
    notices: MutableMapping[str, str],
    record_fault: Callable[[DeviceFault], Awaitable[None]],
) -> None:
    """Say it at a start, and at the first one after it was written anew that it is over.

    data: the appliance's folder, where an empty file says that the desk was told. Raises StoreError, OSError.
    """
    told, is_damaged = data / _TOLD, host.updater.was_damaged()
    if is_damaged:
        notices[PART] = (
            f"Newer software on this card was damaged, and {host.version} runs in its place. "
            "Get another card."
        )
        log.error("software damaged", running=host.version)
    if is_damaged is told.exists():
        return
    await record_fault(DeviceFault(PART, recovered=not is_damaged, kind="SoftwareDamaged"))
    if is_damaged:
        told.touch()
    else:
        told.unlink()
