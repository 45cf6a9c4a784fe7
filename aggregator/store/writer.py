"""The store's one writer: a thread of its own, and one transaction for all that waits (group commit)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from enum import IntEnum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from aggregator.records import Batch, Hello
from aggregator.store import identities, ingest, streams
from aggregator.store.database import open_writer, translated
from aggregator.store.errors import StatementRefused, StoreBusy, StoreError, StoreGone, TurnNeeded
from aggregator.store.identities import Barred, Copied
from aggregator.store.ingest import Admission, Admitted, Keeping, Kept
from aggregator.store.place import Place
from aggregator.store.port import Database

MAX_GROUP_JOBS = 256  # bounds the time that the first of a group waits for its commit
ATTEMPTS = 4  # at the same rows as another worker; those who wait crosswise are told so after 1 s

T = TypeVar("T")
OnKept: TypeAlias = Callable[[str, Batch, int], None]
_Done: TypeAlias = "list[tuple[_Job[Any], Any | StoreError]]"


class _Kind(IntEnum):
    """Writes by what they need: where one has room, those before it mostly have."""

    OTHER = 0
    HELLO = 1
    BATCH = 2


class _Job(Generic[T]):
    """One piece of work and the future of its result; the future is set after the commit.

    admitted: of a batch. device_id: whose rows alone it changes, in a way that may be done twice; None where
    it changes others, and nobody else may write meanwhile.
    """

    def __init__(
        self,
        work: Callable[[Keeping], T],
        result: asyncio.Future[T],
        admitted: Admitted | None = None,
        device_id: str | None = None,
    ) -> None:
        self.work = work
        self.result = result
        self.outbox = None if admitted is None else admitted.outbox
        self.device_id = device_id if admitted is None else admitted.device_id

    @property
    def kind(self) -> _Kind:
        if self.outbox is not None:
            return _Kind.BATCH
        return _Kind.OTHER if self.device_id is None else _Kind.HELLO


class StoreWriter:
    """Commits hellos and batches; what it returned is on the disk.

    place: of the store. wall_ns: the clock. max_bytes: the largest size of the file.
    on_fault: called in the event loop with the fault when storing begins to fail, and with None when a write
    works that needs no less: a full store still notes a hello. With each StatementRefused too, which changes
    nothing of that. on_kept: called there after the commit of a batch, with its device and when it came.
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
        self._failing: _Kind | None = None
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

    def admit(
        self, hello: Hello, serial: int | None, worker: str = ""
    ) -> asyncio.Future[Admission | Barred | Copied]:
        """Note a device that says hello; the future raises StoreError.

        serial: of its certificate, None where the server asks for none. worker: who holds its stream from now
        on, "" where nobody else could.
        """
        now_ns = self._wall_ns()

        def work(db: Database) -> Admission | Barred | Copied:
            barred = None if serial is None else identities.check_hello(db, serial, hello, now_ns)
            admission = barred or ingest.admit(db, hello, now_ns)
            if worker and isinstance(admission, Admitted):
                number = streams.take(db, hello.device_id, worker)
                return msgspec.structs.replace(admission, stream=number)
            return admission

        return self._put(lambda keeping: work(keeping.settled()), device_id=hello.device_id)

    @property
    def backlog(self) -> int:
        """How many pieces of work wait for the next commit."""
        return len(self._waiting)

    def keep(self, admitted: Admitted, batch: Batch) -> asyncio.Future[Kept]:
        """Store a batch; the future is done after the commit, or raises StoreError: nothing was stored."""
        now_ns = self._wall_ns()
        keeping = self._put(lambda keeping: keeping.keep(admitted, batch, now_ns), admitted)
        if (on_kept := self._on_kept) is not None:

            def tell(done: asyncio.Future[Kept]) -> None:
                if not done.cancelled() and done.exception() is None and not done.result().superseded:
                    on_kept(admitted.device_id, batch, now_ns)

            keeping.add_done_callback(tell)
        return keeping

    def submit(self, work: Callable[[Database], T], *, of: str | None = None) -> asyncio.Future[T]:
        """Do `work` in a transaction; the future is done after the commit, or raises StoreError.

        `work` may be done again when its transaction failed. of: the one device whose rows it changes, None
        where it changes others.
        """
        return self._put(lambda keeping: work(keeping.settled()), device_id=of)

    def _put(
        self, work: Callable[[Keeping], T], admitted: Admitted | None = None, *, device_id: str | None = None
    ) -> asyncio.Future[T]:
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        result.add_done_callback(_look_at)
        self._waiting.append(_Job(work, result, admitted, device_id))
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
                self._note(job.kind, result)
                if not job.result.done():  # the stream may have gone: its future is cancelled then
                    job.result.set_exception(result)
            else:
                self._note(job.kind, None)
                if not job.result.done():
                    job.result.set_result(result)

    def _note(self, kind: _Kind, fault: StoreError | None) -> None:
        if isinstance(fault, StatementRefused):
            self._on_fault(fault)  # told each time; the store itself is as well as before
            return
        before = self._failing
        if fault is not None:
            self._failing = kind if before is None else max(before, kind)
        elif before is not None and kind >= before:
            self._failing = None
        if (self._failing is None) is not (before is None):
            self._on_fault(fault)

    def _commit(self, group: Sequence[_Job[Any]]) -> _Done:
        """Do all jobs in one transaction; when that fails, each in its own: one cannot fail the others."""
        device_ids = {job.device_id for job in group if job.device_id is not None}
        shared = of_devices = all(job.device_id is not None for job in group)
        fault: StoreError | None = None
        for attempt in range(ATTEMPTS):
            try:
                return self._try(group, device_ids if shared else None)
            except TurnNeeded:
                shared = False
            except StoreBusy as error:
                fault = error
            except StoreGone as error:
                # The server may have committed it: only what may be done twice is.
                fault = error
                if attempt or not of_devices:
                    return [(job, error) for job in group]
            except StoreError as error:
                fault = error
                break
        if len(group) == 1 and fault is not None:
            return [(group[0], fault)]
        return [done for job in group for done in self._commit([job])]

    def _try(self, group: Sequence[_Job[Any]], device_ids: Collection[str] | None) -> _Done:
        with translated(self._place), self._db.atomic():
            self._db.take_turn(device_ids)
            keeping = Keeping(self._db, {job.outbox for job in group if job.outbox is not None})
            if device_ids is not None:
                # Hellos first: between batches each would have what they change written before.
                group = sorted(group, key=lambda job: job.outbox is not None)
            done: _Done = [(job, job.work(keeping)) for job in group]
            keeping.finish()
            return done

    def _empty_log(self) -> bool:
        with translated(self._place):
            return self._db.empty_log()


def _look_at(result: asyncio.Future[Any]) -> None:
    """Mark a fault as seen: a stream ends at its first and drops the rest; asyncio would log each."""
    if not result.cancelled():
        result.exception()
