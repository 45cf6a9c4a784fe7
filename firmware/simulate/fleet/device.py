"""One device of a virtual fleet: the appliance's own uplink, with its store and its key in memory."""

from __future__ import annotations

import asyncio
import random
from importlib.metadata import version

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.clock import Clock, random_id
from firmware.simulate.fleet.events import draw_event
from firmware.simulate.fleet.identity import VirtualIdentity
from firmware.simulate.fleet.virtual_store import VirtualStore
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.uplink import Uplink, UplinkState
from trust import certificates


class VirtualDevice:
    """A device that can be switched on, and that works when it is told to."""

    def __init__(
        self, target: Target, identity: VirtualIdentity, authority: bytes, clock: Clock, seed: int
    ) -> None:
        """authority: its certificate, PEM."""
        self._draw = random.Random(seed)  # noqa: S311 -- what is drawn is no secret
        self._clock = clock
        self.store = VirtualStore(identity.device_id, identity.site, random_id())
        self._uplink = Uplink(
            target,
            _Shown(target, identity, authority),
            self.store.run,
            clock,
            Backoff(self._draw),
            device_id=identity.device_id,
            software_version=version("aidpost"),
            on_change=self._changed,
        )
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether events get through."""
        return self._uplink.state.connected

    async def until_connected(self) -> None:
        """Wait for the first time that events get through."""
        await self._connected.wait()

    def start(self) -> None:
        """Switch it on."""
        self._task = asyncio.create_task(self._uplink.run())

    def work(self, events: int) -> None:
        """Write so many events down."""
        for _ in range(events):
            self.store.commit(self._clock.now(), draw_event(self._draw))
        self._uplink.notify()

    async def stop(self) -> None:
        """Switch it off."""
        await self._uplink.stop()
        if self._task is not None:
            await self._task

    def _changed(self, state: UplinkState) -> None:
        if state.connected:
            self._connected.set()


class _Shown:
    """The `Dialler` of a certificate that is long from its end. Each connection has a key of its own."""

    def __init__(self, target: Target, identity: VirtualIdentity, authority: bytes) -> None:
        self._target = target
        self._identity = identity
        self._authority = authority

    async def dial(self) -> grpc.aio.Channel:
        key = serialization.load_pem_private_key(self._identity.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("a virtual device has a key of P-256")
        certificate = x509.load_pem_x509_certificate(self._identity.certificate)
        session = certificates.new_key()
        leaf = certificates.make_session(certificate, key, session.public_key())
        tls = grpc.ssl_channel_credentials(
            self._authority, certificates.key_to_pem(session), certificates.to_pem(leaf, certificate)
        )
        return open_channel(self._target, tls)

    def told_time(self, server_ns: int) -> None:
        """Nothing is due while a simulation lasts."""

    async def refused(self) -> None:
        """A certificate that was refused stays refused: the run shows it as a device that never connects."""
