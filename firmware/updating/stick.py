"""Software from a memory stick: the same bundle with the same checks, installed at a supervisor's word.

A bundle is called aidpost-VERSION.raucb there. It is read from the stick as it is written, so it may be taken
out only once the page says that the appliance waits for a quiet moment.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from enum import Enum, unique
from io import BufferedReader
from pathlib import Path

import structlog

from firmware.lists.folder import files_below, open_below
from firmware.occupancy import Occupancy
from firmware.power import Power, PowerRefused
from firmware.updater import UpdateFailed, Updater
from trust.state import Artifact, ArtifactKind

_NAME = re.compile(r"(?:^|/)aidpost-([0-9][0-9A-Za-z.+!-]*)\.raucb$")
log = structlog.get_logger()


@unique
class Phase(Enum):
    """How far an installation from a stick is.

    INSTALLED: the next start is with it, and the machine could not be started anew from here.
    """

    NONE = "none"
    WRITING = "writing"
    WAITING = "waiting"
    INSTALLED = "installed"
    FAILED = "failed"


class StickUpdates:
    """folder: below which sticks are mounted. well_parts: the self-test, as before a desired state."""

    def __init__(
        self,
        folder: Path,
        updater: Updater,
        power: Power,
        occupancy: Occupancy,
        well_parts: Callable[[], Awaitable[tuple[str, ...]]],
    ) -> None:
        self._folder = folder
        self._updater = updater
        self._power = power
        self._occupancy = occupancy
        self._well_parts = well_parts
        self.phase = Phase.NONE
        self.reason = ""
        """Why it failed, or did not start anew, in English as everything that RAUC says."""

    async def files(self) -> tuple[str, ...]:
        """Return the bundles that there are, by their path below the folder."""
        return await asyncio.to_thread(files_below, self._folder, (".raucb",))

    async def install(self, file: str) -> None:
        """Write it, wait until nobody is served, and start the machine anew with it on trial.

        Nothing is done while another one is being installed, for which somebody asked at the same time.
        """
        if self.phase in (Phase.WRITING, Phase.WAITING):
            return
        self.phase, self.reason = Phase.WRITING, ""
        try:
            await self._install(file)
        except (UpdateFailed, OSError) as fault:
            self.phase, self.reason = Phase.FAILED, str(fault)
            log.warning("software not installed", file=Path(file).name, reason=str(fault))
        except PowerRefused as fault:
            self.phase, self.reason = Phase.INSTALLED, str(fault)
            log.warning("software waits for a start", file=Path(file).name, reason=str(fault))

    async def _install(self, file: str) -> None:
        named = _NAME.search(file)
        if named is None:
            raise UpdateFailed("its name does not say its version: call it aidpost-1.2.0.raucb")
        with await asyncio.to_thread(open_below, self._folder, file) as opened:
            source = _OnStick(opened)
            digest = await asyncio.to_thread(source.digest)
            software = Artifact(ArtifactKind.SOFTWARE, named[1], digest, source.size_bytes)
            if reason := self._updater.refusal(software):
                raise UpdateFailed(reason)
            await self._updater.stage(software, source)
        self.phase = Phase.WAITING
        while True:
            await self._occupancy.until_quiet()
            with self._occupancy.kept_free():
                well = await self._well_parts()
                if not self._occupancy.busy:
                    await self._updater.activate(software, well)
                    await self._power.reboot()
                    return


class _OnStick:
    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size_bytes = os.fstat(file.fileno()).st_size

    def digest(self) -> str:
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    async def read(self, offset: int, count: int) -> bytes:
        try:
            data = await asyncio.to_thread(os.pread, self._file.fileno(), count, offset)
        except OSError as error:
            raise UpdateFailed(f"the memory stick cannot be read ({error.strerror})") from error
        if len(data) < count:
            raise UpdateFailed("the file on the memory stick ends too early: copy it again")
        return data
