"""A device may serve the others of its site under one name: no TLS client takes it for the aggregator."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kit.link_device import PATIENCE_S
from trust import certificates
from trust.certificates import SERVER_NAME, to_pem
from trust.names import DeviceName
from trust.tls.contexts import Shown, site_client

NOW = datetime.now(UTC)  # gRPC's client knows no other clock
NAMED, OTHER = DeviceName("desk-1", "north"), DeviceName("desk-2", "north")
AUTHORITY_KEY, DEVICE_KEY, SESSION_KEY = (certificates.new_key() for _ in range(3))
AUTHORITY = certificates.make_authority(AUTHORITY_KEY)
DEVICE = certificates.make_client(AUTHORITY, AUTHORITY_KEY, NAMED, DEVICE_KEY.public_key(), NOW)
SERVER = certificates.make_server(AUTHORITY, AUTHORITY_KEY, SESSION_KEY.public_key())
OWN = certificates.make_site_server(DEVICE, DEVICE_KEY, SESSION_KEY.public_key(), NAMED)
CLIENT = certificates.make_session(DEVICE, DEVICE_KEY, SESSION_KEY.public_key())
DNS, ADDRESS = x509.DNSName(SERVER_NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def subject_of(*common_names: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])


def leaf(subject: str | x509.Name, *names: x509.GeneralName) -> x509.Certificate:
    """What a device's key can sign, whatever its certificate lets it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_of(subject) if isinstance(subject, str) else subject)
        .issuer_name(DEVICE.subject)
        .public_key(SESSION_KEY.public_key())
        .serial_number(7)
        .not_valid_before(DEVICE.not_valid_before_utc)
        .not_valid_after(DEVICE.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(DEVICE_KEY.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(DEVICE_KEY, hashes.SHA256())


HOST = x509.DNSName(NAMED.host())
# gRPC compares alternative names of any kind, and the common name where it knows none of them.
OTHER_KINDS: dict[str, x509.GeneralName] = {
    "a URI": x509.UniformResourceIdentifier(NAMED.uri()),
    "a mail address": x509.RFC822Name("desk@aidpost.internal"),
    "an identifier": x509.RegisteredID(ExtendedKeyUsageOID.SERVER_AUTH),
    "a directory name": x509.DirectoryName(DEVICE.subject),
}
ROGUES = {
    "its name": leaf("session", DNS),
    "its name, and the device's own": leaf("session", HOST, DNS),
    "its name as a URI": leaf("session", x509.UniformResourceIdentifier(SERVER_NAME)),
    "its name as a mail address": leaf("session", x509.RFC822Name._init_without_validation(SERVER_NAME)),
    "its name as the common name": leaf(SERVER_NAME),
    "its name as the common name beside the device's own": leaf(SERVER_NAME, HOST),
    **{f"its name as the common name beside {kind}": leaf(SERVER_NAME, n) for kind, n in OTHER_KINDS.items()},
    "two common names": leaf(subject_of("session", SERVER_NAME), OTHER_KINDS["an identifier"]),
    "two common names, its own first": leaf(subject_of(SERVER_NAME, "session"), OTHER_KINDS["an identifier"]),
    "two common names in one": leaf(
        x509.Name([x509.RelativeDistinguishedName([*subject_of("session"), *subject_of(SERVER_NAME)])]),
        OTHER_KINDS["an identifier"],
    ),
    "any name": leaf("session", x509.DNSName("*.aidpost.internal")),
    "an address": leaf("session", ADDRESS),
    "the device's own": OWN,
    "a client's": CLIENT,
}


@asynccontextmanager
async def tls_server(*chain: x509.Certificate) -> AsyncIterator[int]:
    pair = (certificates.key_to_pem(SESSION_KEY), to_pem(*chain))
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def reached_by_grpc(port: int) -> bool:
    """Whether the handshake succeeds: then there is an answer, that the call is not known."""
    tls = grpc.ssl_channel_credentials(to_pem(AUTHORITY))
    options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", tls, options) as channel:
        call: Any = channel.unary_unary("/aidpost.v1.IngestService/ReportResults")
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call(b"", timeout=PATIENCE_S)
    assert ended.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE)
    return ended.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def reached_by_python(port: int, host: str) -> str:
    """Return why the handshake ended, or nothing."""
    context = site_client(AUTHORITY, Shown((CLIENT, DEVICE), SESSION_KEY))
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    writer.transport.abort()
    return ""


@pytest.mark.parametrize("name", ROGUES)
async def test_no_client_takes_a_device_for_the_aggregator(name: str) -> None:
    async with tls_server(ROGUES[name], DEVICE) as port:
        assert await reached_by_python(port, SERVER_NAME)
        assert not await reached_by_grpc(port)


async def test_the_aggregators_own_server_is_reached_by_the_same_clients() -> None:
    async with tls_server(SERVER) as port:
        assert await reached_by_python(port, SERVER_NAME) == ""
        assert await reached_by_grpc(port)


async def test_a_device_is_reached_under_its_own_name_alone() -> None:
    async with tls_server(OWN, DEVICE) as port:
        assert await reached_by_python(port, NAMED.host()) == ""
        assert "mismatch" in await reached_by_python(port, OTHER.host())
    forged = leaf("session", x509.DNSName(OTHER.host()))
    async with tls_server(forged, DEVICE) as port:
        assert "permitted subtree" in await reached_by_python(port, OTHER.host())
