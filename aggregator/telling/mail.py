"""Delivers by mail, through one server that the aggregator was started with."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
import msgspec

from aggregator.fleet.hooks import Delivery, Hook
from aggregator.telling.ports import NotDelivered

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail goes out. Beyond this machine it is encrypted (STARTTLS), or it is not sent.

    sender: the address that it comes from. user, password: empty where the server asks for none.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether mail stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class _Told(msgspec.Struct):
    text: str = ""


class MailSender:
    """context: whom it trusts; the system's authorities by default."""

    def __init__(self, server: MailServer, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._context = context or ssl.create_default_context()

    async def send(self, hook: Hook, key: bytes, delivery: Delivery, unix_s: int) -> None:
        """Send one message; raises NotDelivered."""
        server = self._server
        try:
            await aiosmtplib.send(
                message(hook.email, server.sender, delivery, unix_s),
                hostname=server.host,
                port=server.port,
                start_tls=not server.is_loopback,
                tls_context=self._context,
                username=server.user or None,
                password=server.password or None,
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}"[:200]) from error

    async def close(self) -> None:
        """Each message has a connection of its own."""


def message(to: str, sender: str, delivery: Delivery, unix_s: int) -> EmailMessage:
    """Return the message; the same delivery has the same Message-ID, so that a repeat is seen as one."""
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, to
    mail["Subject"] = f"Aidpost, {delivery.subject}"
    mail["Date"] = format_datetime(datetime.fromtimestamp(unix_s, UTC))
    domain = sender.rpartition("@")[2].rstrip(">") or "aidpost.invalid"
    mail["Message-ID"] = f"<aidpost-{delivery.number}-{delivery.made_ns}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer from a holiday
    mail.set_content(f"{msgspec.json.decode(delivery.body, type=_Told).text}\n")
    return mail
