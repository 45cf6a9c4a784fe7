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
from aggregator.store.errors import StoreGone
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
        day = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).date().isoformat()
        return await self.read(lambda db: read_overview(db, day, results))

    async def missing(self) -> tuple[Missing, ...]:
        """Return what is not held of each device that lacks anything; raises StoreError."""
        return await self.read(read_missing)

    async def adjudications(self) -> tuple[Adjudication, ...]:
        """Return the pairs of entries that may be of one person, those that wait first; raises StoreError."""
        return await self.read(lambda db: adjudications.read(db, MAX_ADJUDICATIONS))

    async def read(self, work: Callable[[Database], T]) -> T:
        """Do `work` as of one commit, beside the writer; raises StoreError.

        It is done again where the server was lost, or lost since: another may be the primary now.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, work)

    async def look(self, work: Callable[[Database], T]) -> T:
        """Do `work` as `read` does, but each statement of it as of the commit before: for work of one.

        On a server that is one way there and back, where `read` needs three.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, work)

    def _read(self, work: Callable[[Database], T]) -> T:
        def as_of_one_commit(db: Database) -> T:
            with db.atomic():
                return work(db)

        return self._look(as_of_one_commit)

    def _look(self, work: Callable[[Database], T]) -> T:
        with translated(self._place):
            try:
                return work(self._db)
            except StoreGone:
                return work(self._db)
