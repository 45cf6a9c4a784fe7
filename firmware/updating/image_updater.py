"""The port `Updater` of an appliance that was installed from an image, over what writes its slots.

What RAUC does not know is kept beside the store (`update.json`): which bundle was staged and activated, by
its digest, and which parts were well before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from firmware.slots.backend import Machine
from firmware.slots.forward import newer
from firmware.updater import Source, Trial, UpdateFailed
from firmware.updating.installer import Installer
from firmware.updating.ranges import serving
from trust.state import Artifact

RECORD = "update.json"
log = structlog.get_logger()


class Record(msgspec.Struct, frozen=True):
    """What was written into the other slot. well: the parts that were well when it was activated."""

    version: str
    digest: str
    activated: bool = False
    well: tuple[str, ...] = ()


class ImageUpdater:
    """version: of the image that runs. folder: the appliance's. machine: what the system says of slots."""

    def __init__(self, installer: Installer, version: str, folder: Path, machine: Machine) -> None:
        self._installer = installer
        self._version = version
        self._record = folder / RECORD
        self._trial = machine.trial
        self._damaged = machine.damaged
        self._ended = False
        self.leaving = False

    def refusal(self, artifact: Artifact) -> str | None:
        """Refuse what is not newer: what is older has faults that are known by now."""
        if newer(artifact.version, self._version):
            return None
        return f"{self._version} runs here, and software never goes back: desire a newer one"

    async def stage(self, artifact: Artifact, source: Source) -> None:
        """Serve it to the installer on loopback; a slot that holds it already is left as it is."""
        record, written = self._read(), await self._other()
        if record is not None and record.digest == artifact.digest and written == artifact.version:
            return
        self._erase()
        async with serving(source) as served:
            try:
                await self._installer.install(served.url)
            except UpdateFailed as fault:
                raise served.fault or fault from None
        await self._require(artifact)
        self._write(Record(artifact.version, artifact.digest))

    async def activate(self, artifact: Artifact, well: Sequence[str]) -> None:
        """Mark the other slot, and then record it: a cut in between only has it marked again.

        Where it cannot be recorded the mark is taken back, so that what is refused is not started from.
        """
        await self._require(artifact)
        await self._installer.mark("active", "other")
        try:
            self._write(Record(artifact.version, artifact.digest, activated=True, well=tuple(well)))
        except UpdateFailed:
            await self._installer.mark("active", "booted")
            raise

    def holds(self, artifact: Artifact) -> bool:
        """Read it from the record."""
        record = self._read()
        return record is not None and record.activated and record.digest == artifact.digest

    def was_damaged(self) -> bool:
        """Look whether the other slot was left so."""
        return self._damaged.exists()

    def trial(self) -> Trial | None:
        """Look whether one is on; the record is of who activated it, which may have been somebody by hand."""
        if self._ended or not self._trial.exists():
            return None
        record = self._read()
        return Trial(record.well if record is not None and record.activated else None)

    async def keep(self) -> None:
        """Mark the slot that runs as good."""
        await self._installer.mark("good", "booted")
        self._ended = True
        self._erase()

    async def take_back(self) -> None:
        """Mark the slot that runs as bad where it is on trial; else it is the one to start from again."""
        if self._trial.exists():
            await self._installer.mark("bad", "booted")
            self.leaving = True
        else:
            await self._installer.mark("active", "booted")
        self._ended = True
        self._erase()

    async def _require(self, artifact: Artifact) -> None:
        """Raise UpdateFailed unless the other slot holds this very version."""
        if (written := await self._other()) != artifact.version:
            holds = f"the other slot holds {written or 'nothing whole'}"
            raise UpdateFailed(f"{holds}, and {artifact.version} is desired: add the right bundle")

    async def _other(self) -> str:
        """Return the version in the slot that does not run. Raises UpdateFailed where that is not known."""
        slots = await self._installer.slots()
        others = [slot for slot in slots if not slot.booted]
        if len(slots) != 2 or len(others) != 1:
            raise UpdateFailed("RAUC does not know which slot runs: nothing is written, look at its log")
        return others[0].version

    def _read(self) -> Record | None:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("update record not read", reason=str(error))
            return None

    def _write(self, record: Record) -> None:
        fresh = self._record.with_name(f"{RECORD}.new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(record))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._record)
        except OSError as error:
            raise UpdateFailed(f"{self._record.name} cannot be written ({error.strerror})") from error

    def _erase(self) -> None:
        self._record.unlink(missing_ok=True)
