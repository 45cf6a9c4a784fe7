"""One other appliance of the site: dialled, kept, asked. It answers in time, or counts as silent."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import grpc
import grpc.aio
import structlog
from cryptography import x509

from aidpost.v1 import site_pb2_grpc
from firmware.mesh import codec
from firmware.mesh.codec import ListId, Malformed
from firmware.mesh.ledger import Answer, Claim, Collection
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from trust.checking import CertificateRefused, peer_of
from trust.names import DeviceName
from trust.tls.relay import End

ANSWER_S = 0.3  # a person waits; in a local network an answer takes some milliseconds, and a store's commit
REPORT_S = 5.0  # nobody waits
DIAL_S = 3.0
OPTIONS: tuple[tuple[str, int], ...] = (
    # A neighbour that was switched off is known to be silent after 7 s, and nobody waits for it any more.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 64 * 1024),
)
_SILENCE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)

ResultT = TypeVar("ResultT")


class Credential(Protocol):
    """What this appliance shows to its neighbours."""

    authority: x509.Certificate

    async def client_context(self) -> ssl.SSLContext:
        """Return a context for one connection; raises UplinkError and GuardError."""


class Other(Protocol):
    """One other appliance, as it can be asked; `Neighbour` asks over the network."""

    @property
    def device(self) -> str:
        """Its id."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and the other end serves the same list."""

    @property
    def reachable(self) -> bool:
        """Whether there is a connection."""

    def ask_anew(self) -> None:
        """Forget that the other end served the same list."""

    async def claim(self, list_id: ListId, household: bytes, asked: Claim) -> Answer | None:
        """Claim a household there; None where it is silent."""

    async def release(self, list_id: ListId, household: bytes, claim_id: bytes) -> None:
        """Give a claim back there, if it hears it."""

    async def report(self, list_id: ListId, collections: Sequence[Collection]) -> bool:
        """Tell it what collected here; returns whether it holds that now."""


class Neighbour:
    """Asks one appliance. `run` keeps the connection; folder: of this user alone, for its sockets."""

    def __init__(
        self,
        named: DeviceName,
        target: Target,
        credential: Credential,
        folder: Path,
        backoff: Backoff,
        *,
        answer_s: float = ANSWER_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[], None] = lambda: None,
        log: structlog.typing.FilteringBoundLogger | None = None,
    ) -> None:
        self.device = named.device_id
        self._named = named
        self._target = target
        self._credential = credential
        self._folder = folder
        self._backoff = backoff
        self._answer_s = answer_s
        self._sleep = sleep
        self._on_change = on_change
        self._numbers = itertools.count()
        self._stub: site_pb2_grpc.SiteServiceAsyncStub | None = None
        self._agreed = False
        self._refusal = ""
        self.trouble = ""
        """Why it is silent or refuses, empty where it answers."""
        self._log = (log or structlog.get_logger()).bind(neighbour=self.device, target=str(target))
        self._loss_logged = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and the other end serves the same list."""
        return self._stub is not None and self._agreed

    @property
    def reachable(self) -> bool:
        """Whether there is a connection."""
        return self._stub is not None

    def ask_anew(self) -> None:
        """Forget that the other end served the same list: it may be another one now."""
        self._agreed = False

    async def claim(self, list_id: ListId, household: bytes, asked: Claim) -> Answer | None:
        """Claim a household there; None where it is silent."""
        stub = self._stub
        if stub is None:
            return None
        response = await self._ask(
            lambda: stub.Claim(codec.claim_to(list_id, household, asked), timeout=self._answer_s)
        )
        try:
            return None if response is None else codec.answer_from(response, household)
        except Malformed as error:
            self._refused(str(error))
            return None

    async def release(self, list_id: ListId, household: bytes, claim_id: bytes) -> None:
        """Give a claim back there, if it hears it: the claim ends by itself."""
        stub = self._stub
        if stub is not None:
            request = codec.release_to(list_id, household, claim_id)
            await self._ask(lambda: stub.Release(request, timeout=self._answer_s))

    async def report(self, list_id: ListId, collections: Sequence[Collection]) -> bool:
        """Tell it what collected here, or nothing, to know that it serves the same list.

        Returns whether it holds that now.
        """
        stub = self._stub
        if stub is None:
            return False
        request = codec.given_to(list_id, collections)
        return await self._ask(lambda: stub.ReportGiven(request, timeout=REPORT_S)) is not None

    async def run(self) -> None:
        """Dial, keep, dial again, for ever."""
        while True:
            try:
                await self._keep_one_connection()
            # Not only a broken network: a certificate that cannot be read may be replaced meanwhile.
            except Exception as error:  # noqa: BLE001
                self._lost(f"{type(error).__name__}: {error}")
            else:
                self._lost("the connection ended")
            await self._sleep(self._backoff.next_s())

    async def _keep_one_connection(self) -> None:
        front, back = End(), End()
        path = self._folder / f"{self.device}-{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        context = await self._credential.client_context()
        try:
            async with asyncio.timeout(DIAL_S):
                await loop.create_connection(
                    lambda: front,
                    self._target.host,
                    self._target.port,
                    ssl=context,
                    server_hostname=self._named.host(),
                )
            self._check(front)
            with socket.socket(socket.AF_UNIX) as listening:
                listening.setblocking(False)
                listening.bind(str(path))
                listening.listen(1)
                async with grpc.aio.insecure_channel(f"unix:{path}", options=OPTIONS) as channel:
                    ready = asyncio.ensure_future(channel.channel_ready())
                    try:
                        async with asyncio.timeout(DIAL_S):
                            accepted, _ = await loop.sock_accept(listening)
                            front.join(back, None)
                            await loop.create_unix_connection(lambda: back, sock=accepted)
                            front.begin()
                            await ready
                    finally:
                        ready.cancel()
                    self._came(channel)
                    await front.until_lost()
        finally:
            self._stub = None
            with suppress(OSError):
                path.unlink()
            await back.finish()
            await front.finish()

    def _check(self, front: End) -> None:
        """Hold whom the chain names against whom was dialled: the host name is a digest of the same."""
        leaf = front.certificate
        named = None if leaf is None else peer_of(leaf, self._credential.authority).named
        if named != self._named:
            raise CertificateRefused("another device answers there")

    async def _ask(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT | None:
        try:
            response = await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in _SILENCE:
                self._refused(error.code().name)
            return None
        self.trouble = ""
        if self._refusal:
            self._refusal = ""
            self._log.info("neighbour_takes_what_it_is_asked")
        if not self._agreed:
            self._agreed = True
            self._on_change()
        return response

    def _refused(self, why: str) -> None:
        """Log once that the other end does not take what it is asked; it counts as silent."""
        self._agreed = False
        self.trouble = why
        if why != self._refusal:
            self._refusal = why
            self._log.warning("neighbour_refuses", why=why)
            self._on_change()

    def _came(self, channel: grpc.aio.Channel) -> None:
        self._stub = site_pb2_grpc.SiteServiceStub(channel)
        self._agreed = False
        self.trouble = ""
        self._backoff.reset()
        if self._loss_logged:
            self._loss_logged = False
            self._log.info("neighbour_is_back")
        self._on_change()

    def _lost(self, why: str) -> None:
        self.trouble = why
        if not self._loss_logged:
            self._loss_logged = True
            self._log.warning("neighbour_lost", reason=why)
        self._on_change()
