"""The device as a member of its aggregator's fleet: what it shows on a connection, and when it renews that.

No private key leaves the guard and none is written: each connection has a key of its own, made in memory, for
which the device's key signs a session certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import structlog
from cryptography import x509

from firmware.uplink import enrolment
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.enrolment import Pending
from firmware.uplink.errors import LinkLost, NotJoined, UplinkError
from firmware.uplink.identity_file import Identity, read_identity, write_identity
from trust import certificates
from trust.checking import key_words, public_key_der
from trust.claim import Claim
from trust.guarded import GuardedKey
from trust.keys.errors import GuardError
from trust.keys.guard import KeyGuard
from trust.names import DeviceName

RENEWAL_CHECK_S = 3600.0

Sleep = Callable[[float], Awaitable[None]]


class Membership:
    """Joins, connects, renews. folder: where `identity.pem` lies; named: as the configuration has it."""

    def __init__(
        self,
        target: Target,
        guard: KeyGuard,
        named: DeviceName,
        folder: Path,
        *,
        monotonic_ns: Callable[[], int],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._target = target
        self._key = GuardedKey(guard)
        self._named = named
        self._folder = folder
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._log = structlog.get_logger().bind(target=str(target))
        self._server_ahead_ns: int | None = None
        self._time_told = asyncio.Event()
        self._complained = ""

    @property
    def key_words(self) -> str:
        """What the operator compares before approving; see `trust.checking.key_words`."""
        return key_words(public_key_der(self._key.public_key()))

    async def dial(self) -> grpc.aio.Channel:
        """Return a channel that shows this device's certificate; raises UplinkError and its kinds."""
        identity = read_identity(self._folder)
        if identity is None:
            raise NotJoined("this appliance has not joined an aggregator: run `aidpost join --claim -`")
        if identity.named != self._named:
            raise NotJoined(
                f"identity.pem is for {identity.named.device_id} at {identity.named.site}, and the "
                "configuration names another device or site: correct it, or join with a claim code"
            )
        return await self._channel(identity)

    async def join(self, claim: Claim, on_pending: Callable[[], None]) -> Identity:
        """Join with a claim code, asking until an operator has approved.

        on_pending: called at the first answer that an operator has to decide. Raises LinkLost, JoinRefused,
        WrongAggregator and GuardError.
        """
        authority = await enrolment.fetch_authority(self._target, claim)
        return await self._ask(authority, claim.secret, on_pending)

    async def rejoin(self, on_pending: Callable[[], None] = lambda: None) -> Identity:
        """Join again with the key that was approved before; raises NotJoined and what `join` raises."""
        identity = read_identity(self._folder)
        if identity is None:
            raise NotJoined("this appliance has not joined an aggregator before: it needs a claim code")
        return await self._ask(identity.authority, b"", on_pending)

    def told_time(self, server_ns: int) -> None:
        """Take the aggregator's time (nanoseconds since 1970) from a welcome: it alone says what is due."""
        self._server_ahead_ns = server_ns - self._monotonic_ns()
        self._time_told.set()

    async def keep_valid(self) -> None:
        """Renew the certificate at two thirds of its life, for ever; a task of the composition root."""
        while True:
            await self._time_told.wait()
            try:
                await self.renew_if_due()
            except (UplinkError, GuardError, OSError) as error:
                self._complain("certificate_not_renewed", error)
            await self._sleep(RENEWAL_CHECK_S)

    async def renew_if_due(self) -> bool:
        """Renew when it is time; returns whether that was done. Raises UplinkError, GuardError, OSError."""
        identity = read_identity(self._folder)
        if identity is None or self._server_ahead_ns is None:
            return False
        now = datetime.fromtimestamp((self._monotonic_ns() + self._server_ahead_ns) / 1e9, UTC)
        if not certificates.renewal_due(identity.certificate, now):
            return False
        channel = await self._channel(identity)
        async with channel:
            certificate = await enrolment.renew(
                channel, self._target, identity.authority, self._key, await self._request()
            )
        self._keep(Identity(certificate, identity.authority))
        self._log.info("certificate_renewed", ends=certificate.not_valid_after_utc.isoformat())
        return True

    async def refused(self) -> None:
        """Do what can be done when the aggregator calls the certificate expired: ask once to join again.

        What goes wrong is logged once: the uplink that calls this goes on trying.
        """
        try:
            await self._ask_once()
        except (UplinkError, GuardError, OSError) as error:
            self._complain("not_joined_again", error)

    async def _ask_once(self) -> None:
        identity = read_identity(self._folder)
        if identity is None:
            return
        answer = await enrolment.ask_to_join(
            self._target, identity.authority, self._key, await self._request(), b""
        )
        match answer:
            case Pending():
                self._complain("waits_for_approval")
            case x509.Certificate():
                self._keep(Identity(answer, identity.authority))
                self._log.info("joined_again", ends=answer.not_valid_after_utc.isoformat())

    async def _ask(
        self, authority: x509.Certificate, secret: bytes, on_pending: Callable[[], None]
    ) -> Identity:
        request = await self._request()
        told = False
        while True:
            answer = await enrolment.ask_to_join(self._target, authority, self._key, request, secret)
            if not isinstance(answer, Pending):
                identity = Identity(answer, authority)
                self._keep(identity)
                return identity
            if not told:
                told = True
                on_pending()
            await self._sleep(answer.retry_s)

    async def _channel(self, identity: Identity) -> grpc.aio.Channel:
        session = certificates.new_key()
        try:
            # In a thread: a TPM takes some tenths of a second to sign.
            leaf = await asyncio.to_thread(
                certificates.make_session, identity.certificate, self._key, session.public_key()
            )
        except GuardError as error:
            raise LinkLost(f"the device's key cannot sign: {error}") from error
        tls = grpc.ssl_channel_credentials(
            certificates.to_pem(identity.authority),
            certificates.key_to_pem(session),
            certificates.to_pem(leaf, identity.certificate),
        )
        return open_channel(self._target, tls)

    async def _request(self) -> bytes:
        made = await asyncio.to_thread(certificates.make_request, self._named, self._key)
        return certificates.to_der(made)

    def _keep(self, identity: Identity) -> None:
        write_identity(self._folder, identity)
        self._complained = ""

    def _complain(self, event: str, error: Exception | None = None) -> None:
        """Log a state once, until it has changed."""
        why = f"{event} {error}"
        if why == self._complained:
            return
        self._complained = why
        if error is None:
            self._log.warning(event)
        else:
            self._log.warning(event, fault=type(error).__name__, reason=str(error))
