"""One thread owns the store; everybody else awaits it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self, TypeVar

from firmware.store.store import Store

ResultT = TypeVar("ResultT")


class RunInStore(Protocol):
    """Runs a function with the store, in the store's thread, and returns its result."""

    async def __call__(self, work: Callable[[Store], ResultT], /) -> ResultT:
        """Return what `work` returns; raise what it raises."""


class StoreThread:
    """Holds an open store in a thread of its own; `run` is a `RunInStore`.

    A cancelled `run` does not stop the work: the transaction ends, and the next caller waits for it.
    """

    def __init__(self, store: Store, executor: ThreadPoolExecutor) -> None:
        self._store = store
        self._executor = executor

    @classmethod
    async def open(cls, opener: Callable[[], Store]) -> Self:
        """Call `opener` in a new thread. Raises what it raises."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            store = await asyncio.get_running_loop().run_in_executor(executor, opener)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(store, executor)

    async def run(self, work: Callable[[Store], ResultT], /) -> ResultT:
        """Run `work` with the store and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._store)

    async def close(self) -> None:
        """Finish what is under way, close the store and end the thread."""
        await self.run(Store.close)
        self._executor.shutdown(wait=False)
