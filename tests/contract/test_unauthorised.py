"""Who must not come in: refused, logged once, and with bounded memory. A real server, real TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.authority import Authority
from aggregator.link.authorisation import ALLOWED
from aidpost.v1 import (
    artifact_pb2,
    enrolment_pb2,
    fleet_pb2,
    fleet_pb2_grpc,
    gallery_pb2,
    ingest_pb2,
    link_pb2,
)
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.identities import DeviceIdentity, Held, first_administrator, joined, person, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice, check_in
from trust import certificates
from trust.checking import read_request
from trust.names import PEOPLE, PersonName, Role, to_subject
from trust.tls.address import Address
from trust.tls.callers import Callers
from trust.tls.gate import Gate, GateLimits
from trust.tls.refusals import Refusals

ENDLESS_BYTES = 64 * 1024 * 1024  # the kernel's buffers between the two ends hold some megabytes
CONNECT = "/aidpost.v1.DeviceLinkService/Connect"
FEW = GateLimits(max_connections=24, max_handshakes=8, handshake_timeout_s=2.0, max_anonymous=4, max_of_one=2)


@dataclass
class Post:
    """A running aggregator, one device that may report, and an administrator."""

    server: Running
    authority: Authority
    administrator: Held
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    device: DeviceIdentity

    async def status(self, held: Held | None, method: str = CONNECT) -> grpc.StatusCode:
        """Return how a call with one empty message ends; OK also for one that answers without end."""
        async with shown(self.server.target, self.authority.certificate, held) as channel:
            call: Any = channel.stream_stream(method)()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await call.write(b"")
                    await call.done_writing()
                    if await call.read() is not grpc.aio.EOF:
                        return grpc.StatusCode.OK
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the status says the same
            code: grpc.StatusCode = await call.code()
            return code

    async def serves(self) -> bool:
        """Tell whether the good device still gets through."""
        async with shown(self.server.target, self.authority.certificate, self.device.held()) as channel:
            link = LinkDevice(channel)
            await link.hello()
            return await link.report([check_in(1)]) >= 1

    def reasons(self) -> list[str]:
        return [entry["why"] for entry in self.server.logged("link.refused")]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    authority = Authority.create(tmp_path / "identity")
    store = tmp_path / "store.db"
    administrator = first_administrator(authority, store)
    async with (
        running_aggregator(store, authority=authority, gate_limits=FEW) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        device = await joined(fleet, server.target, authority.certificate, "desk-1")
        yield Post(server, authority, administrator, fleet, device)


async def test_every_role_may_make_the_calls_of_the_table_and_no_others(post: Post) -> None:
    callers: dict[Role | None, Held | None] = {None: None, Role.DEVICE: post.device.held()}
    callers |= {each: await person(post.fleet, each.value, each) for each in PEOPLE}
    shut = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    wrong = []
    for method, allowed in ALLOWED.items():
        for role, held in callers.items():
            async with asyncio.timeout(PATIENCE_S):
                code = await post.status(held, method)
            if (code not in shut) is not (role in allowed):
                wrong.append((method, role, code))
    assert wrong == []


async def test_every_call_that_the_server_has_is_in_the_table(post: Post) -> None:
    files = (
        link_pb2.DESCRIPTOR,
        ingest_pb2.DESCRIPTOR,
        fleet_pb2.DESCRIPTOR,
        enrolment_pb2.DESCRIPTOR,
        gallery_pb2.DESCRIPTOR,
        artifact_pb2.DESCRIPTOR,
    )
    has = {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert has <= set(ALLOWED)
    status = await post.status(post.administrator, "/aidpost.v1.FleetService/NotListed")
    assert status is grpc.StatusCode.PERMISSION_DENIED


async def test_a_person_who_was_removed_or_given_a_new_credential_is_shut_out(post: Post) -> None:
    old = await person(post.fleet, "ana", Role.AUDITOR)
    new = await person(post.fleet, "ana", Role.AUDITOR)
    audit = "/aidpost.v1.FleetService/ListAudit"
    assert await post.status(old, audit) is grpc.StatusCode.PERMISSION_DENIED
    assert await post.status(new, audit) is grpc.StatusCode.OK
    await post.fleet.RemovePerson(fleet_pb2.RemovePersonRequest(name="ana"), timeout=PATIENCE_S)
    assert await post.status(new, audit) is grpc.StatusCode.PERMISSION_DENIED


async def test_another_authority_is_refused_in_the_handshake_and_logged_once(
    post: Post, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other")
    stranger = DeviceIdentity("desk-1")
    issued = other.issue(read_request(stranger.request()), NOW_NS)
    stranger.certificate = certificates.from_der(issued.der)
    for _ in range(3):
        assert await post.status(stranger.held()) is grpc.StatusCode.UNAVAILABLE
    assert len([why for why in post.reasons() if "certificate refused" in why]) == 1
    assert await post.serves()


async def test_a_devices_key_can_sign_for_no_other_name_and_no_longer_chain(post: Post) -> None:
    device, key = post.device, certificates.new_key()
    assert device.certificate is not None
    # A leaf's subject begins as the authority has set it; what counts is the name that the authority signed.
    root = to_subject(PersonName("root", Role.ADMINISTRATOR), 1)
    session = certificates.make_session(device.certificate, device.key, key.public_key()).subject
    audit = "/aidpost.v1.FleetService/ListAudit"
    for subject, status in (
        (root, grpc.StatusCode.UNAVAILABLE),
        (x509.Name([*session, *root]), grpc.StatusCode.PERMISSION_DENIED),
    ):
        leaf = signed_by(device, device.certificate, subject, key.public_key())
        assert await post.status(Held(key, (leaf, device.certificate)), audit) is status
    # Its own certificate is not for connections, and it cannot make another that signs.
    assert await post.status(Held(device.key, (device.certificate,))) is grpc.StatusCode.UNAVAILABLE
    below = certificates.make_session(leaf, key, key.public_key())
    assert await post.status(Held(key, (below, leaf, device.certificate))) is grpc.StatusCode.UNAVAILABLE
    assert await post.serves()


def signed_by(
    device: DeviceIdentity, issuer: x509.Certificate, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """Return a session certificate with a subject of the device's own choice."""
    proper = certificates.make_session(issuer, device.key, key)
    builder = x509.CertificateBuilder(
        proper.issuer, subject, key, 7, proper.not_valid_before_utc, proper.not_valid_after_utc
    )
    for extension in proper.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(device.key, hashes.SHA256())


async def test_a_device_cannot_report_for_another(post: Post) -> None:
    async with shown(post.server.target, post.authority.certificate, post.device.held()) as channel:
        for _ in range(2):
            link = LinkDevice(channel, "desk-2")
            await link.send_hello()
            ending = await link.ending()
            assert ending.code is grpc.StatusCode.PERMISSION_DENIED
            assert "another device" in ending.message
    assert post.server.events() == []
    assert len([why for why in post.reasons() if "another device" in why]) == 1


async def test_a_replayed_batch_is_held_once_and_another_content_is_refused(post: Post) -> None:
    async with shown(post.server.target, post.authority.certificate, post.device.held()) as channel:
        link = LinkDevice(channel)
        await link.hello()
        for _ in range(3):
            assert await link.report([check_in(1), check_in(2)]) == 2
        await link.send([check_in(2, salt="forged")])
        assert (await link.ending()).code is grpc.StatusCode.FAILED_PRECONDITION
    assert [event.seq for event in post.server.events()] == [1, 2]


async def test_tls_1_2_and_plain_text_are_refused(post: Post) -> None:
    host, _, port = post.server.target.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):  # noqa: PT011 -- an alert (ssl.SSLError) or a reset, as the event loop has it
        await asyncio.open_connection(host, int(port), ssl=context)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        while await reader.read(1024):
            pass
    writer.close()
    reasons = post.reasons()
    assert any("unsupported protocol" in why for why in reasons), reasons
    assert len(reasons) == 2


async def test_a_crowd_that_says_nothing_keeps_no_device_out(post: Post) -> None:
    host, _, port = post.server.target.rpartition(":")
    async with AsyncExitStack() as crowd:
        for _ in range(400):
            _reader, writer = await asyncio.open_connection(host, int(port))
            crowd.callback(writer.close)
        assert await post.serves()
    logged = [why for why in post.reasons() if "too many" in why]
    assert 1 <= len(logged) <= 2


async def test_a_caller_without_a_certificate_can_send_little(post: Post) -> None:
    async with shown(post.server.target, post.authority.certificate) as channel:
        call: Any = channel.unary_unary("/aidpost.v1.EnrolmentService/Join")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(bytes(1_000_000), timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await post.serves()


async def test_a_message_over_the_limit_ends_its_stream_alone(post: Post) -> None:
    async with shown(post.server.target, post.authority.certificate, post.device.held()) as channel:
        link = LinkDevice(channel)
        await link.hello()
        await link.write(bytes(5 * 1024 * 1024))
        assert (await link.ending()).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await post.serves()


async def test_a_peer_that_reads_nothing_is_written_no_further(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "identity")
    poured = 0
    stalled = asyncio.Event()

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal poured
        try:
            while poured < ENDLESS_BYTES:
                writer.write(bytes(65536))
                async with asyncio.timeout(1.0):
                    await writer.drain()
                poured += 65536
        except TimeoutError:
            stalled.set()
        finally:
            writer.transport.abort()

    inner = await asyncio.start_unix_server(pour, tmp_path / "inner")
    refusals = Refusals(structlog.get_logger(), lambda: 0.0)
    gate = Gate(
        Address("127.0.0.1", 0),
        authority.server_context(),
        authority.certificate,
        tmp_path / "inner",
        Callers(),
        refusals,
        FEW,
    )
    address = await gate.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.certificate_der)
    context.set_alpn_protocols(["h2"])
    _reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname=certificates.SERVER_NAME, limit=1024
    )
    async with asyncio.timeout(PATIENCE_S):
        await stalled.wait()
    writer.transport.abort()
    await gate.stop()
    inner.close()
    assert poured < ENDLESS_BYTES
