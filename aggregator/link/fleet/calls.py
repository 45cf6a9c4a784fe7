"""What every subject of FleetService needs: the store, the caller's name, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlite_utils import Database

from aggregator.link import ending
from aggregator.store.errors import StoreError
from aggregator.store.writer import StoreWriter
from trust.tls.callers import Callers

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ResultT = TypeVar("ResultT")


class FleetCalls:
    """Does work in the store on behalf of a caller. Who may is checked before a call comes here."""

    def __init__(self, store: StoreWriter, callers: Callers, wall_ns: Callable[[], int]) -> None:
        self.store = store
        self.callers = callers
        self.wall_ns = wall_ns

    async def do(self, context: Context, work: Callable[[Database, int, str], ResultT]) -> ResultT:
        """Do `work` with the time and the caller's role and name, in a transaction; else end the call."""
        now_ns, actor = self.wall_ns(), str(self.callers.of(context))
        try:
            return await self.store.submit(lambda db: work(db, now_ns, actor))
        except StoreError as error:
            await ending.not_stored(error).abort(context)


async def malformed(context: Context, why: str) -> NoReturn:
    """End the call: the request cannot be meant."""
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)
    raise AssertionError("abort does not return")


async def within(context: Context, field: str, value: int, bounds: tuple[int, int]) -> None:
    """End the call unless value, in seconds, is within the bounds."""
    if not bounds[0] <= value <= bounds[1]:
        await malformed(context, f"{field} must be from {bounds[0]} to {bounds[1]} seconds")


def timestamp(wall_ns: int) -> Timestamp:
    """Return nanoseconds since 1970 as protobuf has them."""
    return Timestamp(seconds=wall_ns // 1_000_000_000, nanos=wall_ns % 1_000_000_000)
