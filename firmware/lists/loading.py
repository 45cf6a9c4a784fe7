"""Loading a list while the appliance runs: read beside the event loop, checked for here, taken up whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

from firmware.config import Device
from firmware.lists.fitting import Here, unfit
from firmware.lists.folder import list_files, read_below
from firmware.lists.reading import FaultsFound, ReadList, read_content
from firmware.records import ListLoaded, Moment
from firmware.store.errors import ListRefused
from firmware.store.lists import LoadedList
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from trust.lists.faults import Fault, Form
from trust.lists.terms import PlannedList


class ListLoading:
    """Reads, checks and loads lists for one appliance (`firmware.page.ports.ListWork`).

    trusted: public keys of issuers, 32 bytes each. folder: below which files are offered, None for none.
    committed: called after a list was taken up.
    """

    def __init__(
        self,
        in_store: RunInStore,
        device: Device,
        *,
        trusted: tuple[bytes, ...],
        folder: Path | None,
        moment: Callable[[], Moment],
        today: Callable[[], date],
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._in_store = in_store
        self._device = device
        self._trusted = trusted
        self._folder = folder
        self._moment = moment
        self._today = today
        self._committed = committed
        self._reading = asyncio.Lock()

    @property
    def has_folder(self) -> bool:
        """Whether files of a folder are offered."""
        return self._folder is not None

    async def loaded(self) -> LoadedList | None:
        """Return what is loaded. Raises StoreError."""
        return await self._in_store(lambda store: store.lists.loaded())

    async def files(self) -> tuple[str, ...]:
        """Return the files of the folder that may be lists."""
        return () if self._folder is None else await asyncio.to_thread(list_files, self._folder)

    async def pick(self, file: str) -> ReadList | FaultsFound:
        """Read a file of the folder. Raises StoreError."""
        if self._folder is None:
            return _gone()
        try:
            content = await asyncio.to_thread(read_below, self._folder, file)
        except (OSError, ValueError):
            return _gone()
        return await self.read(content)

    async def read(self, content: bytes) -> ReadList | FaultsFound:
        """Read what a file holds, and check it for this appliance and today. Raises StoreError."""
        # One at a time: a spreadsheet of 24 MiB unpacked takes much memory for seconds.
        async with self._reading:
            read = await asyncio.to_thread(read_content, content, self._trusted)
        if isinstance(read, FaultsFound):
            return read
        present = await self.loaded()
        return self._unfit(read.planned, present) or read

    async def load(self, read: ReadList, approved_by: tuple[str, ...]) -> ListLoaded | FaultsFound:
        """Take the list up whole, where it is still one for today. Raises StoreError; ListRefused names why.

        approved_by: the supervisors who answer for it; none for a clinic's list that an issuer signed.
        """
        moment = self._moment()

        def work(store: Store) -> ListLoaded | FaultsFound:
            if store.work.open_session() is not None:
                raise ListRefused("a person is being served here: load the list after that")
            found = self._unfit(read.planned, store.lists.loaded())
            return found or store.lists.load(moment, read.planned, approved_by)

        done = await self._in_store(work)
        if isinstance(done, ListLoaded):
            await self._committed()
        return done

    def _unfit(self, planned: PlannedList, present: LoadedList | None) -> FaultsFound | None:
        device, cycle = self._device, "" if present is None else present.cycle
        here = Here(device.site, device.purpose, device.id, self._today(), cycle)
        faults = unfit(planned, here)
        return FaultsFound(tuple(faults), Form.CSV) if faults else None


def _gone() -> FaultsFound:
    return FaultsFound((Fault("this file is there no more: put the memory stick in again"),), Form.CSV)
