"""The dashboard's eyes: reads the store in a thread of its own, beside the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TypeVar

from aggregator.holdings import Adjudication, Missing, Overview
from aggregator.store import adjudications
from aggregator.store.database import open_reader, translated
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store.reader import read_missing, read_overview

T = TypeVar("T")

MAX_ADJUDICATIONS = 200  # on the page; the command lists all


class StoreView:
    """Read-only and as of the last commit; wall_ns: the clock, for what counts as today."""

    def __init__(self, place: Place, wall_ns: Callable[[], int]) -> None:
        self._place = place
        self._wall_ns = wall_ns
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-view")
        self._resources = ExitStack()

    async def open(self) -> None:
        """Open the file; raises StoreError."""
        loop = asyncio.get_running_loop()
        manager = open_reader(self._place)
        self._db = await loop.run_in_executor(self._thread, self._resources.enter_context, manager)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._resources.close)
        self._thread.shutdown()

    async def overview(self, results: int) -> Overview:
        """Return devices, the latest results and today's counts; raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._overview, results)

    async def missing(self) -> tuple[Missing, ...]:
        """Return what is not held of each device that lacks anything; raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._missing)

    async def adjudications(self) -> tuple[Adjudication, ...]:
        """Return the pairs of entries that may be of one person, those that wait first; raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._adjudications)

    async def read(self, work: Callable[[Database], T]) -> T:
        """Do `work` as of one commit, beside the writer; raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, work)

    def _read(self, work: Callable[[Database], T]) -> T:
        with translated(self._place), self._db.atomic():
            return work(self._db)

    def _adjudications(self) -> tuple[Adjudication, ...]:
        with translated(self._place):
            return adjudications.read(self._db, MAX_ADJUDICATIONS)

    def _missing(self) -> tuple[Missing, ...]:
        with translated(self._place):
            return read_missing(self._db)

    def _overview(self, results: int) -> Overview:
        day = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).date().isoformat()
        with translated(self._place):
            return read_overview(self._db, day, results)
