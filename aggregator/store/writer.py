"""The store's one writer: a thread of its own, and one transaction for all that waits (group commit)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Generic, TypeAlias, TypeVar

from aggregator.records import Batch, Hello
from aggregator.store import identities, ingest
from aggregator.store.database import open_writer, translated
from aggregator.store.errors import StoreError
from aggregator.store.identities import Barred, Copied
from aggregator.store.ingest import Admission, Admitted, Kept
from aggregator.store.place import Place
from aggregator.store.port import Database, take_turn

MAX_GROUP_JOBS = 256  # bounds the time that the first of a group waits for its commit

T = TypeVar("T")
OnKept: TypeAlias = Callable[[str, Batch, int], None]
_Done: TypeAlias = "list[tuple[_Job[Any], Any | StoreError]]"


class _Job(Generic[T]):
    """One piece of work and the future of its result; the future is set after the commit."""

    def __init__(self, work: Callable[[Database], T], result: asyncio.Future[T]) -> None:
        self.work = work
        self.result = result


class StoreWriter:
    """Commits hellos and batches; what it returned is on the disk.

    place: of the store. wall_ns: the clock. max_bytes: the largest size of the file.
    on_fault: called in the event loop with the fault when storing begins to fail, and with None when it
    works again. on_kept: called there after the commit of a batch, with its device and when it came.
    """

    def __init__(
        self,
        place: Place,
        *,
        wall_ns: Callable[[], int],
        max_bytes: int | None,
        on_fault: Callable[[StoreError | None], None],
        on_kept: OnKept | None = None,
    ) -> None:
        self._place = place
        self._wall_ns = wall_ns
        self._max_bytes = max_bytes
        self._on_fault = on_fault
        self._on_kept = on_kept
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._resources = ExitStack()
        self._waiting: list[_Job[Any]] = []
        self._arrived = asyncio.Event()
        self._closing = False
        self._failing = False
        self._pump: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the file and migrate it; raises StoreError."""
        loop = asyncio.get_running_loop()
        manager = open_writer(self._place, self._max_bytes)
        try:
            self._db = await loop.run_in_executor(self._thread, self._resources.enter_context, manager)
        except StoreError:
            self._thread.shutdown()
            raise
        self._pump = asyncio.create_task(self._run(), name="store-writer")

    async def close(self) -> None:
        """Commit what waits, then close the file."""
        self._closing = True
        self._arrived.set()
        if self._pump is not None:
            await self._pump
        await asyncio.get_running_loop().run_in_executor(self._thread, self._resources.close)
        self._thread.shutdown()

    def admit(self, hello: Hello, serial: int | None) -> asyncio.Future[Admission | Barred | Copied]:
        """Note a device that says hello; the future raises StoreError.

        serial: of its certificate, None where the server asks for none.
        """
        now_ns = self._wall_ns()

        def work(db: Database) -> Admission | Barred | Copied:
            barred = None if serial is None else identities.check_hello(db, serial, hello, now_ns)
            return barred or ingest.admit(db, hello, now_ns)

        return self.submit(work)

    @property
    def backlog(self) -> int:
        """How many pieces of work wait for the next commit."""
        return len(self._waiting)

    def keep(self, admitted: Admitted, batch: Batch) -> asyncio.Future[Kept]:
        """Store a batch; the future is done after the commit, or raises StoreError: nothing was stored."""
        now_ns = self._wall_ns()
        keeping = self.submit(lambda db: ingest.keep(db, admitted, batch, now_ns))
        if (on_kept := self._on_kept) is not None:

            def tell(done: asyncio.Future[Kept]) -> None:
                if not done.cancelled() and done.exception() is None:
                    on_kept(admitted.device_id, batch, now_ns)

            keeping.add_done_callback(tell)
        return keeping

    def submit(self, work: Callable[[Database], T]) -> asyncio.Future[T]:
        """Do `work` in a transaction; the future is done after the commit, or raises StoreError."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        result.add_done_callback(_look_at)
        self._waiting.append(_Job(work, result))
        self._arrived.set()
        return result

    async def empty_log(self) -> bool:
        """Move the write-ahead log into the file and cut it to nothing: what was replaced is in neither.

        Returns whether that was done; a reader prevents it, and then it is done with the next call.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._empty_log)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                continue
            group, self._waiting = self._waiting[:MAX_GROUP_JOBS], self._waiting[MAX_GROUP_JOBS:]
            commit = loop.run_in_executor(self._thread, self._commit, group)
            # wait, not await: a defect fails this group's streams and the writer goes on.
            await asyncio.wait([commit])
            if (defect := commit.exception()) is not None:
                for job in group:
                    if not job.result.done():
                        job.result.set_exception(defect)
                continue
            self._deliver(commit.result())

    def _deliver(self, done: _Done) -> None:
        for job, result in done:
            if isinstance(result, StoreError):
                self._note(result)
                if not job.result.done():  # the stream may have gone: its future is cancelled then
                    job.result.set_exception(result)
            else:
                self._note(None)
                if not job.result.done():
                    job.result.set_result(result)

    def _note(self, fault: StoreError | None) -> None:
        if (fault is not None) != self._failing:
            self._failing = fault is not None
            self._on_fault(fault)

    def _commit(self, group: Sequence[_Job[Any]]) -> _Done:
        """Do all jobs in one transaction; when that fails, each in its own: one cannot fail the others."""
        try:
            with translated(self._place), self._db.atomic():
                take_turn(self._db)
                return [(job, job.work(self._db)) for job in group]
        except StoreError as error:
            if len(group) == 1:
                return [(group[0], error)]
        return [done for job in group for done in self._commit([job])]

    def _empty_log(self) -> bool:
        with translated(self._place):
            return self._db.empty_log()


def _look_at(result: asyncio.Future[Any]) -> None:
    """Mark a fault as seen: a stream ends at its first and drops the rest; asyncio would log each."""
    if not result.cancelled():
        result.exception()
