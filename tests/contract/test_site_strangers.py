"""Who is not heard in a site: other sites, devices off the roster, people, and whoever only makes noise."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from aidpost.v1 import site_pb2, site_pb2_grpc
from firmware.mesh import codec
from firmware.mesh.codec import ListId
from firmware.mesh.ledger import Claim
from firmware.workflow.outcomes import Granted, OwnerSilent
from tests.kit.site_rig import PATIENCE_S, SiteRig, site_of_three
from tests.kit.store_values import SITE
from trust import certificates
from trust.names import DeviceName, Named, PersonName, Role
from trust.tls.contexts import Shown, site_client
from trust.tls.relay import End

NOW = datetime.now(UTC)
NUMBER = "hh-0001"


async def status(rig: SiteRig, named: Named | None, folder: Path, request: Any = None) -> grpc.StatusCode:
    """Return how a claim ends that somebody makes at dev-1; named: whom the shown certificate names."""
    key = certificates.new_key()
    if isinstance(named, DeviceName):
        device = certificates.make_client(rig.authority, rig.key, named, key.public_key(), NOW)
        session = certificates.new_key()
        leaf = certificates.make_session(device, key, session.public_key())
        shown = Shown((leaf, device), session)
    else:
        person = named or PersonName("root", Role.ADMINISTRATOR)
        chain = (certificates.make_client(rig.authority, rig.key, person, key.public_key(), NOW),)
        shown = Shown(chain, key)
    front, back, path = End(), End(), folder / "knock"
    path.unlink(missing_ok=True)
    loop = asyncio.get_running_loop()
    await loop.create_connection(
        lambda: front,
        "127.0.0.1",
        rig.posts["dev-1"].port,
        ssl=site_client(rig.authority, shown),
        server_hostname=DeviceName("dev-1", SITE).host(),
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(str(path))
        listening.listen(1)
        # Channels to one address share connections otherwise, and the wait after one that failed.
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"unix:{path}", alone) as channel:
            stub: site_pb2_grpc.SiteServiceAsyncStub = site_pb2_grpc.SiteServiceStub(channel)
            call = asyncio.ensure_future(stub.Claim(request or claim(rig), timeout=PATIENCE_S))
            async with asyncio.timeout(PATIENCE_S):
                accepted, _ = await loop.sock_accept(listening)
            front.join(back, None)
            await loop.create_unix_connection(lambda: back, sock=accepted)
            front.begin()
            try:
                await call
            except grpc.aio.AioRpcError as error:
                return error.code()
            finally:
                await back.finish()
                await front.finish()
    return grpc.StatusCode.OK


def claim(rig: SiteRig, *, cycle: str = "", hold_ms: int = 60_000) -> site_pb2.ClaimRequest:
    loaded = rig.posts["dev-1"].site.cycle
    assert loaded is not None
    list_id = ListId(cycle or loaded.cycle, loaded.digest)
    return codec.claim_to(list_id, loaded.household(NUMBER), Claim(b"c" * 16, "dev-2", hold_ms * 1_000_000))


async def test_only_devices_of_the_site_and_the_roster_are_heard(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        denied = grpc.StatusCode.PERMISSION_DENIED
        strangers: tuple[Named, ...] = (
            DeviceName("dev-2", "other-site"),
            DeviceName("dev-4", SITE),
            DeviceName("dev-1", SITE),
            PersonName("root", Role.ADMINISTRATOR),
        )
        for stranger in strangers:
            with capture_logs() as logs:
                assert await status(rig, stranger, tmp_path) is denied
                assert await status(rig, stranger, tmp_path) is denied
            (line,) = [line for line in logs if line["event"] == "link.refused"]
            assert line["why"] in ("not a device of this site", "not on the roster of the list")
        assert await status(rig, DeviceName("dev-2", SITE), tmp_path) is grpc.StatusCode.OK


async def test_another_list_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        two = DeviceName("dev-2", SITE)
        other = grpc.StatusCode.FAILED_PRECONDITION
        assert await status(rig, two, tmp_path, claim(rig, cycle="2026-12")) is other
        # A device that leaves the roster is shut out with the next version of the list.
        smaller = replace(rig.planned, roster=("dev-1", "dev-3"))
        await rig.posts["dev-1"].load(smaller)
        (number, *_) = rig.owned_by("dev-1")
        assert await rig.posts["dev-2"].site.claim(number, 60) == OwnerSilent("dev-1")
        assert rig.posts["dev-2"].site.reached == {"dev-3"}
        assert await status(rig, two, tmp_path) is grpc.StatusCode.PERMISSION_DENIED
        await rig.posts["dev-3"].load(smaller)
        await rig.until(lambda: rig.posts["dev-1"].site.connected().site)


@pytest.mark.parametrize("field", ["household", "claim_id", "hold_ms"])
async def test_what_is_malformed_is_refused_and_changes_nothing(tmp_path: Path, field: str) -> None:
    async with site_of_three(tmp_path) as rig:
        request = claim(rig)
        setattr(request, field, 0 if field == "hold_ms" else b"short")
        two = DeviceName("dev-2", SITE)
        assert await status(rig, two, tmp_path, request) is grpc.StatusCode.INVALID_ARGUMENT
        assert await rig.posts["dev-3"].site.claim(NUMBER, 60) == Granted()


async def test_noise_old_tls_and_no_certificate_get_no_answer_and_no_harm(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        port = rig.posts["dev-1"].port
        for noise in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 64, b"\x16\x03\x01\xff\xff"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                with suppress(OSError):
                    assert len(await reader.read()) <= 7, "an alert at most"
            writer.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        with suppress(OSError):
            assert await reader.read() == b"", "nobody without a certificate is answered"
        writer.transport.abort()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert all(post.site.connected().site for post in rig.posts.values())
