"""What an appliance answers the others of its site, behind its gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

from aidpost.v1 import site_pb2, site_pb2_grpc
from firmware.clock import Clock
from firmware.mesh import codec
from firmware.mesh.book import InBook, SiteCycle
from firmware.mesh.codec import Malformed
from firmware.store.errors import StoreError
from trust.names import DeviceName
from trust.tls.callers import Callers
from trust.tls.refusals import Refusals

Context = grpc.aio.ServicerContext[Any, Any]


class SiteService(site_pb2_grpc.SiteServiceServicer):
    """Hears the devices of one site and roster. cycle: the list that is loaded now, None without one."""

    def __init__(
        self,
        named: DeviceName,
        in_book: InBook,
        cycle: Callable[[], SiteCycle | None],
        clock: Clock,
        callers: Callers,
        refusals: Refusals,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._named = named
        self._in_book = in_book
        self._cycle = cycle
        self._clock = clock
        self._callers = callers
        self._refusals = refusals
        self._on_change = on_change

    async def Claim(  # noqa: N802
        self, request: site_pb2.ClaimRequest, context: Context
    ) -> site_pb2.ClaimResponse:
        """Grant a claim, or say why not."""
        device = await self._admit(request.list, context)
        try:
            household, asked = codec.claim_from(request, device)
        except Malformed as error:
            await self._malformed(context, error)
        now = self._clock.now()
        try:
            return codec.answer_to(await self._in_book(lambda book: book.claim(household, asked, now)))
        except StoreError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store takes nothing now")

    async def Release(  # noqa: N802
        self, request: site_pb2.ReleaseRequest, context: Context
    ) -> site_pb2.ReleaseResponse:
        """Take a claim back."""
        await self._admit(request.list, context)
        try:
            household, claim_id = codec.release_from(request)
        except Malformed as error:
            await self._malformed(context, error)
        try:
            await self._in_book(lambda book: book.release(household, claim_id))
        except StoreError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store takes nothing now")
        return site_pb2.ReleaseResponse()

    async def ReportGiven(  # noqa: N802
        self, request: site_pb2.ReportGivenRequest, context: Context
    ) -> site_pb2.ReportGivenResponse:
        """Take down what collected at the caller's desk."""
        device = await self._admit(request.list, context)
        try:
            collections = codec.given_from(request, device)
        except Malformed as error:
            await self._malformed(context, error)
        now = self._clock.now()
        try:
            await self._in_book(lambda book: book.hear(collections, now))
        except StoreError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store takes nothing now")
        self._on_change()
        return site_pb2.ReportGivenResponse()

    async def _admit(self, list_id: site_pb2.ListId, context: Context) -> str:
        """Return the id of the device that calls; end the call of anybody else."""
        caller = self._callers.of(context)
        named = caller.peer.named if caller.peer else None
        if not isinstance(named, DeviceName) or named.site != self._named.site:
            await self._deny(context, str(caller), caller.address, "not a device of this site")
        cycle = self._cycle()
        if cycle is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no list is loaded here")
        if named.device_id not in cycle.roster or named == self._named:
            await self._deny(context, str(caller), caller.address, "not on the roster of the list")
        if codec.list_from(list_id) != codec.ListId(cycle.cycle, cycle.digest):
            self._refusals.note(str(caller), "serves another list, or another roster")
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "another list is loaded here")
        return named.device_id

    async def _deny(self, context: Context, who: str, address: str, why: str) -> NoReturn:
        self._refusals.note(who, why, address=address)
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, why)

    async def _malformed(self, context: Context, error: Malformed) -> NoReturn:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
