"""A support session: people of the desk sign in to this appliance by SSH for a while, if the site agrees.

The image has no SSH otherwise. Whoever signs in is the user `support`, who sees how the machine is and
nothing that the appliance holds. The result of the command says who was there, and stands in the chain.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import structlog

from firmware.orders import OrderFailed, OrderRefused
from firmware.uplink.codec import Command
from firmware.wishes import FOLDER, SUPPORT, NobodyListens, take_back, wish

MAX_SESSION_S = 8 * 3600.0
PART = "support session"
log = structlog.get_logger()
UNIT = "aidpost-support.service"
LOG = Path("/run/aidpost/support.log")
CARD_FILE = "aidpost-support.toml"
CARD = Path("/run/aidpost/support.toml")
"""Where root puts what it finds as CARD_FILE on the first partition of the card."""
MOST_FILE_BYTES = 8192
OPENED = Path("/run/aidpost-support/pid")
_OPENS_WITHIN_S, _POLL_S = 30.0, 0.2
# As dropbear says it, the port after the address; one of a link (fe80::1%end0) has the link behind it.
_LOGIN = re.compile(
    r"Pubkey auth succeeded for '\w+' with \S+ key SHA256:([\w+/=]{8,64}) from ([0-9a-fA-F.:]+)(?:%\S+)?:\d+"
)
_SHOWN = 8  # characters of a key's digest, 48 bits: among the keys of one card they say which
_MOST_CHARACTERS = 200  # of a result (firmware/orders.py): what is longer is cut there without a word


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the site agrees to by a file on its card, which takes somebody who holds the card.

    session: that people of the desk sign in to the machine for a while, with one of keys, as OpenSSH writes
    public keys. log: that they follow the log.
    """

    session: bool = False
    keys: tuple[
        Annotated[str, msgspec.Meta(pattern=r"^ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]{0,100})?$")], ...
    ] = ()
    log: bool = False


def consent_on(card: Path = CARD) -> Consent:
    """Return what the card says; a file that cannot be used agrees to nothing.

    Root copies it at each start to where this service cannot write. The appliance's own file, which this
    service writes, opens no door: whoever had taken over the service would consent in the site's place.
    """
    try:
        with card.open("rb") as file:
            tables = tomllib.loads(file.read(MOST_FILE_BYTES).decode("utf-8-sig"))
        return msgspec.convert(tables, Consent, strict=True)
    except FileNotFoundError:
        return Consent()
    except (OSError, ValueError, RecursionError) as error:  # RecursionError: nesting without end
        log.warning("consent to support cannot be read", file=CARD_FILE, reason=str(error))
        return Consent()


class DoorRefused(Exception):
    """The door could not be opened; the message says why."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who signed in: the digest of the key (SHA-256, base64), from where first, and how many times."""

    key: str
    address: str
    times: int = 1

    def __str__(self) -> str:
        again = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.key[:_SHOWN]} from {self.address}{again}"


class Door(Protocol):
    """Lets people in, and says who came."""

    async def open(self) -> None:
        """Let in whoever has one of the keys. Raises DoorRefused."""

    async def close(self) -> None:
        """Let nobody in any more, and end who is there. Never raises."""

    def visitors(self) -> tuple[Visitor, ...] | None:
        """Return who came since it was opened, in order and each key once; None where nobody can tell."""


class SupportSessions:
    """notices: for staff, who see that support is here."""

    def __init__(
        self,
        consent: Consent,
        door: Door,
        notices: MutableMapping[str, str],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._consent = consent
        self._door = door
        self._notices = notices
        self._wait = wait

    async def open(self, command: Command) -> str:
        """Let support in for the command's duration. Raises OrderFailed and its kinds."""
        if not self._consent.session or not self._consent.keys:
            raise OrderRefused(
                f"the site has not agreed to support sessions: with its consent put {CARD_FILE} onto its "
                "card, with session = true and the keys of support, and start the appliance anew"
            )
        lasts_s = min(command.duration_s, MAX_SESSION_S)
        minutes = round(lasts_s / 60)
        try:
            await self._door.open()
        except DoorRefused as error:
            raise OrderFailed(str(error)) from error
        self._notices[PART] = f"Support can sign in to this appliance for {minutes} minutes."
        try:
            await self._wait(lasts_s)
            visitors = self._door.visitors()
        finally:
            self._notices.pop(PART, None)
            await asyncio.shield(self._door.close())
        for visitor in visitors or ():
            log.info(
                "support was here", fingerprint=visitor.key, address=visitor.address, times=visitor.times
            )
        said = f"open for {minutes} minutes; signed in: "
        return said + named(visitors, _MOST_CHARACTERS - len(said))


class SystemdDoor:
    """The unit of the image (aidpost-support.service), for which this service can wish.

    log: what the unit says. opened: a file that is there while it lets people in.
    """

    def __init__(self, log: Path = LOG, opened: Path = OPENED, wishes: Path = FOLDER) -> None:
        self._log = log
        self._opened = opened
        self._wishes = wishes

    async def open(self) -> None:
        """Leave the wish, and wait until it was heard."""
        try:
            await asyncio.to_thread(wish, SUPPORT, self._wishes)
        except NobodyListens as error:
            raise DoorRefused(f"there are no support sessions here: {error}") from error
        try:
            async with asyncio.timeout(_OPENS_WITHIN_S):
                while not self._opened.exists():  # noqa: ASYNC110 -- another process makes it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.close()
            raise DoorRefused(
                f"{UNIT} did not begin within {_OPENS_WITHIN_S:.0f} s: look at its log"
            ) from None

    async def close(self) -> None:
        """Take the wish back: the unit ends, and with it everybody's shell."""
        await asyncio.to_thread(take_back, SUPPORT, self._wishes)

    def visitors(self) -> tuple[Visitor, ...] | None:
        """Read who came in the log of the unit."""
        try:
            with self._log.open(errors="replace") as lines:
                return visitors_in(lines)
        except OSError:
            return None


def visitors_in(log: Iterable[str]) -> tuple[Visitor, ...]:
    """Return who signed in by the lines of a log, in order and each key once."""
    # All of it is read and little kept: neither what others tried nor one key's many visits hides a key.
    found: dict[str, Visitor] = {}
    for line in log:
        if login := _LOGIN.search(line):
            key, address = login.groups()
            known = found.get(key)
            found[key] = Visitor(key, address) if known is None else replace(known, times=known.times + 1)
    return tuple(found.values())


def named(visitors: Sequence[Visitor] | None, most_characters: int) -> str:
    """Name as many as fit, the first ones, and count the others, so that none is left out without a word."""
    if visitors is None:
        return "unknown: the log of the session cannot be read"
    for many in range(len(visitors), 0, -1):
        others = len(visitors) - many
        more = [f"and {others} more {'key' if others == 1 else 'keys'}"] if others else []
        text = "; ".join([*map(str, visitors[:many]), *more])
        if len(text) <= most_characters:
            return text
    return f"{len(visitors)} keys" if visitors else "nobody"
