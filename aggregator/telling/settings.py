"""What `serve` is told of mail and webhooks, as values; faults in sentences."""

from __future__ import annotations

import ssl
from pathlib import Path

from aggregator.telling.mail import MailServer


class TellingMisconfigured(ValueError):
    """Mail or webhooks cannot be used so; the message says what to change."""


def mail_server(address: str | None, sender: str | None, login: Path | None) -> MailServer | None:
    """Return where mail goes out, None for nowhere. Raises TellingMisconfigured.

    login: a file with the user on its first line and the password on its second.
    """
    if address is None:
        if sender is not None or login is not None:
            raise TellingMisconfigured("--mail-from and --mail-login go with --mail-server: name it too")
        return None
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise TellingMisconfigured(f"--mail-server is {address!r}: write it as host:port, mail.example:587")
    if sender is None or "@" not in sender or not sender.isprintable():
        raise TellingMisconfigured("--mail-server needs --mail-from, the address that mail comes from")
    user = password = ""
    if login is not None:
        try:
            lines = login.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TellingMisconfigured(f"{login} cannot be read: {error}") from error
        if len(lines) < 2 or not all(lines[:2]):
            raise TellingMisconfigured(f"{login} needs two lines: the user and the password")
        user, password = lines[:2]
    return MailServer(host=host, port=int(port), sender=sender, user=user, password=password)


def hook_trust(authorities: Path | None) -> ssl.SSLContext | None:
    """Return whom webhooks and mail servers must be certified by, None for the system's authorities.

    Raises TellingMisconfigured.
    """
    if authorities is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except (OSError, ssl.SSLError) as error:
        raise TellingMisconfigured(f"{authorities} holds no certificates in PEM: {error}") from error
