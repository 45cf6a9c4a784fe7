"""Looks at the running appliance for a bundle: parts, counts, the machine; nobody who was served."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from firmware.config import Config
from firmware.diagnostics.bundle import Findings
from firmware.order_handlers import Part
from firmware.session.matching import Matcher
from firmware.store.store import Counts, Store
from firmware.store.thread import RunInStore
from inference.models.catalogue import Catalogue

_MEGABYTE = 1_000_000


class Examination:
    """connected: whether the aggregator is reached. notices: for staff, by part."""

    def __init__(
        self,
        config: Config,
        run_in_store: RunInStore,
        parts: Mapping[str, Part],
        matcher: Matcher,
        notices: Mapping[str, str],
        connected: Callable[[], bool],
    ) -> None:
        self._config = config
        self._run = run_in_store
        self._parts = parts
        self._matcher = matcher
        self._notices = notices
        self._connected = connected

    async def findings(self) -> Findings:
        """Return what is found now. Raises StoreError."""
        counts, lanes = await self._run(_counted)
        catalogue = Catalogue()
        return Findings(
            parts={
                name: "well" if part.error is None else type(part.error).__name__
                for name, part in self._parts.items()
            },
            counts=counts,
            lanes=lanes,
            notices=tuple(sorted(self._notices)),
            operating_point=self._matcher.operating_point,
            models={name: catalogue.card(name).sha256 for name in catalogue.names()},
            uplink="connected" if self._connected() else "not connected",
            system=_system(self._config.device.data),
        )


def _counted(store: Store) -> tuple[dict[str, int], dict[str, int]]:
    counts: Counts = store.counts()
    told = {
        "written": counts.written,
        "waiting": counts.waiting,
        "acknowledged": counts.acknowledged,
        "references": counts.references,
    }
    return told, {lane.value: waiting for lane, waiting in store.outbox.lanes().items()}


def _system(data: Path) -> dict[str, int | str]:
    disk = shutil.disk_usage(data)
    return {
        "machine": platform.machine(),
        "kernel": platform.release(),
        "uptime_s": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "disk_free_mb": disk.free // _MEGABYTE,
        "disk_total_mb": disk.total // _MEGABYTE,
    }
