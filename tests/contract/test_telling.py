"""Alerts reach an HTTPS endpoint and a mail server, signed, in order, again after a fault, and one by one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.fleet.hooks import Hook
from aggregator.store import alerts, hooks
from aggregator.store.writer import StoreWriter
from aggregator.telling.deliverer import GIVE_UP_NS, SECOND_NS, Deliverer
from aggregator.telling.mail import MailSender, MailServer
from aggregator.telling.ports import Sender
from aggregator.telling.webhook import WebhookSender
from trust.tls.address import Address
from trust.web.server import PageServer

KEY = bytes(range(32))
PATIENCE_S = 60.0  # on a busy machine the quick ones may take longer than a slow one is given
START_NS = 1_800_000_000 * SECOND_NS
HOT = Finding(AlertKind.TOO_HOT, Severity.WARNING, "kit-1", "north", "kit-1 is 81 °C: give it shade and air.")


class Endpoint:
    """What an operator's own server does: it keeps what came, and answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def take(self, request: Request) -> Response:
        body = await request.body()
        await self.hold.wait()
        self.came.append((dict(request.headers), body))
        headers = {"location": "https://elsewhere.example/"} if self.status == 302 else {}
        return Response(status_code=self.status, headers=headers)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of "localhost" in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def serving(endpoint: Endpoint, certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    app = Starlette(routes=[Route("/alerts", endpoint.take, methods=["POST"])])
    server = PageServer(Address("127.0.0.1", 0), app, context)
    address = await server.start()
    try:
        yield f"https://localhost:{address.port}/alerts"
    finally:
        await server.stop()


def _random() -> random.Random:
    return random.Random(3)  # noqa: S311  (delays are no secrets)


class Rig:
    def __init__(self, store: StoreWriter, senders: dict[str, Sender]) -> None:
        self.now_ns = START_NS
        self.store = store
        self.deliverer = Deliverer(
            store,
            senders,
            lambda: self.now_ns,
            _random(),
            structlog.get_logger(),
        )

    async def add(self, name: str, **where: Any) -> None:
        hook = Hook(
            **{"name": name, "revision": 0, "url": "", "email": "", "from_severity": Severity.NOTICE,
               "sites": (), "results": False, "disabled": False, "fault": "", **where}
        )  # fmt: skip
        await self.store.submit(
            lambda db: hooks.put(db, hook, KEY, self.now_ns, "administrator ada", allow_missing=True)
        )

    async def find(self, *findings: Finding) -> None:
        await self.store.submit(lambda db: alerts.reconcile(db, findings, self.now_ns))

    async def deliver(self) -> None:
        """Deliver until nothing is due."""
        while tasks := await self.deliverer.start_due():
            await asyncio.gather(*tasks)

    async def fault(self, name: str) -> str:
        hook = await self.store.submit(lambda db: hooks.find(db, name))
        assert hook is not None
        return hook.fault

    async def waiting(self) -> int:
        rows = await self.store.submit(lambda db: db.execute("SELECT count(*) FROM deliveries").fetchone())
        return int(rows[0])


@pytest.fixture
async def rig(tmp_path: Path, certificate: Path) -> AsyncIterator[Rig]:
    store = StoreWriter(tmp_path / "s.db", wall_ns=lambda: 0, max_bytes=None, on_fault=lambda _fault: None)
    await store.open()
    webhook = WebhookSender(ssl.create_default_context(cafile=str(certificate)), PATIENCE_S)
    yield Rig(store, {"url": webhook})
    await webhook.close()
    await store.close()


async def test_what_arrives_is_signed_with_the_key_that_was_shown_once(rig: Rig, certificate: Path) -> None:
    endpoint = Endpoint()
    async with serving(endpoint, certificate) as url:
        await rig.add("ops", url=url)
        await rig.find(HOT)
        await rig.deliver()
    ((headers, body),) = endpoint.came
    time, _, signed = headers["aidpost-signature"].removeprefix("t=").partition(",v1=")
    assert hmac.new(KEY, f"{time}.".encode() + body, hashlib.sha256).hexdigest() == signed
    assert int(time) == START_NS // SECOND_NS
    told = msgspec.json.decode(body)
    assert (told["type"], told["alert"]["device_id"]) == ("alert.opened", "kit-1")
    assert told["text"] == "warning: too hot, kit-1. kit-1 is 81 °C: give it shade and air."
    assert await rig.waiting() == 0


async def test_it_is_tried_again_later_and_later_in_order_and_given_up_after_three_days(
    rig: Rig, certificate: Path
) -> None:
    endpoint = Endpoint()
    endpoint.status = 503
    async with serving(endpoint, certificate) as url:
        await rig.add("ops", url=url)
        await rig.find(HOT)
        await rig.find(HOT, Finding(AlertKind.CLOCK_LOST, Severity.WARNING, "kit-2", "north", "…"))
        await rig.deliver()
        assert (len(endpoint.came), await rig.fault("ops")) == (1, "it answered 503")
        rig.now_ns += 3600 * SECOND_NS
        endpoint.status = 204
        await rig.deliver()
        assert [msgspec.json.decode(body)["alert"]["device_id"] for _, body in endpoint.came] == [
            "kit-1", "kit-1", "kit-2",
        ]  # fmt: skip
        assert await rig.fault("ops") == ""
        endpoint.status = 500
        await rig.find(HOT, Finding(AlertKind.TOO_HOT, Severity.URGENT, "kit-3", "north", "…"))
        rig.now_ns += GIVE_UP_NS
        await rig.deliver()
    assert (await rig.waiting(), await rig.fault("ops")) == (0, "given up: it answered 500")


async def test_a_clock_that_is_set_back_holds_nothing_back(rig: Rig, certificate: Path) -> None:
    endpoint = Endpoint()
    endpoint.status = 503
    async with serving(endpoint, certificate) as url:
        await rig.add("ops", url=url)
        await rig.find(HOT)
        await rig.deliver()
        rig.now_ns -= 400 * 24 * 3600 * SECOND_NS
        endpoint.status = 204
        await rig.deliver()
    assert (len(endpoint.came), await rig.waiting()) == (2, 0)


async def test_a_name_that_leads_where_no_receiver_is_is_not_told_anything(rig: Rig) -> None:
    await rig.add("ops", url="https://0:1/alerts")  # as far as anybody can see a name; it is 0.0.0.0
    await rig.find(HOT)
    await rig.deliver()
    assert await rig.fault("ops") == "0 leads to 0.0.0.0, where nobody is told anything"


async def test_one_that_hangs_or_moved_delays_no_other(rig: Rig, certificate: Path) -> None:
    slow, quick, moved = Endpoint(), Endpoint(), Endpoint()
    slow.hold.clear()
    moved.status = 302
    async with (
        serving(slow, certificate) as a,
        serving(quick, certificate) as b,
        serving(moved, certificate) as c,
    ):
        for name, url in (("slow", a), ("quick", b), ("moved", c), ("nowhere", "https://localhost:1/")):
            await rig.add(name, url=url)
        await rig.find(HOT)
        tasks = {task.get_name(): task for task in await rig.deliverer.start_due()}
        await tasks["deliver to quick"]
        assert (len(quick.came), len(slow.came)) == (1, 0)
        await rig.find(HOT, Finding(AlertKind.CLOCK_LOST, Severity.WARNING, "kit-2", "north", "…"))
        await asyncio.gather(
            *[task for task in await rig.deliverer.start_due() if "slow" not in task.get_name()]
        )
        assert len(quick.came) == 2
        await asyncio.gather(tasks["deliver to moved"], tasks["deliver to nowhere"])
        assert await rig.fault("moved") == "it answered 302"
        assert "ConnectError" in await rig.fault("nowhere")
        slow.hold.set()
        await tasks["deliver to slow"]
        assert len(slow.came) == 1


async def test_a_certificate_that_nobody_signed_is_not_told_anything(rig: Rig, certificate: Path) -> None:
    endpoint = Endpoint()
    stranger = WebhookSender()
    rig.deliverer = Deliverer(
        rig.store,
        {"url": stranger},
        lambda: rig.now_ns,
        _random(),
        structlog.get_logger(),
    )
    async with serving(endpoint, certificate) as url:
        await rig.add("ops", url=url)
        await rig.find(HOT)
        await rig.deliver()
    await stranger.close()
    assert not endpoint.came
    assert "CERTIFICATE_VERIFY_FAILED" in await rig.fault("ops")


class Mailbox:
    """The handler of a real SMTP server."""

    def __init__(self) -> None:
        self.came: list[tuple[list[str], Message]] = []
        self.refuse = False

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return "451 4.3.0 try again later"
        assert isinstance(envelope.content, bytes)
        self.came.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        return "250 2.0.0 kept"


async def test_mail_reaches_a_mail_server_and_is_tried_again(rig: Rig) -> None:
    mailbox = Mailbox()
    mailbox.refuse = True
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        server = MailServer(host="127.0.0.1", port=port, sender="aidpost@ops.example")
        rig.deliverer = Deliverer(
            rig.store,
            {"email": MailSender(server)},
            lambda: rig.now_ns,
            _random(),
            structlog.get_logger(),
        )
        await rig.add("duty", email="duty@ops.example")
        await rig.find(HOT)
        await rig.deliver()
        assert "451" in await rig.fault("duty")
        mailbox.refuse = False
        rig.now_ns += 3600 * SECOND_NS
        await rig.deliver()
    finally:
        listening.close()
    ((to, mail),) = mailbox.came
    assert to == ["duty@ops.example"]
    assert mail["Subject"] == "Aidpost, warning: too hot, kit-1"
    assert "give it shade and air" in mail.get_payload(decode=True).decode()  # type: ignore[union-attr]


async def test_without_a_mail_server_the_hook_says_so(rig: Rig) -> None:
    await rig.add("duty", email="duty@ops.example")
    await rig.find(HOT)
    await rig.deliver()
    assert "--mail-server" in await rig.fault("duty")
