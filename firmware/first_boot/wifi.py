"""Wi-Fi networks that somebody shows or enters: tried, and forgotten where they are not joined."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import structlog

from firmware.cards.wifi_code import WifiCodeRefused, from_wifi_code
from firmware.first_boot.places import Places
from firmware.first_boot.terms import Situation, Step, Trouble, WifiEnd, WifiNews
from firmware.first_boot.waiting import Inbox, to_its_end
from trust.claim_file import ClaimFile, ClaimFileRefused
from trust.keys.errors import GuardError
from trust.network import Wifi

SETTLES_S = 15.0
"""So long a radio may still be said to be up by the network before: its program is begun anew first."""
WITHIN_S = 75.0
"""Finding the network, the handshake, and a second try of both."""
LOOK_S = 1.0
AGAIN_AFTER_S = 60.0
"""A code that is held before the camera all the time is not tried all the time."""
log = structlog.get_logger()

_NEEDS_A_NETWORK = frozenset({Trouble.NO_NETWORK, Trouble.NO_ANSWER, Trouble.OTHER_AGGREGATOR})
_ENDS = {
    WifiCodeRefused.UNREADABLE: WifiEnd.UNREADABLE,
    WifiCodeRefused.UNSUPPORTED: WifiEnd.UNSUPPORTED,
}


@dataclass(frozen=True, slots=True)
class WifiTrial:
    """places: where the machine's networks are written. interfaces: as the kernel shows them."""

    places: Places
    interfaces: Path
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def joined(self, claim: ClaimFile, wifi: Wifi) -> bool:
        """Join the network and keep it in the claim, or put back the one of the claim.

        A power cut in between leaves the claim as it was, and the next start writes its network again.
        Raises ClaimFileRefused, GuardError, OSError.
        """
        tried = msgspec.structs.replace(claim.network, wifi=wifi)
        kept = False
        try:
            await to_its_end(partial(self.places.write_network, tried))
            if await self._comes_up():
                kept = await to_its_end(partial(self.places.take_wifi, wifi)) is not None
        finally:
            if not kept:
                self.places.write_network(claim.network)
        return kept

    async def _comes_up(self) -> bool:
        """Wait until a radio is up, which it is once the passphrase was right (the kernel's operstates)."""
        await self.pause(SETTLES_S)
        for _ in range(round((WITHIN_S - SETTLES_S) / LOOK_S)):
            if radio_is_up(self.interfaces):
                return True
            await self.pause(LOOK_S)
        return False


class ShownWifi:
    """Used from the event loop. changed: called when `joins` or `news` is another.

    joins: name of the network that is tried just now, empty for none. news: of the last one. taken: not tried
    yet.
    """

    def __init__(
        self, trial: WifiTrial, monotonic_ns: Callable[[], int], changed: Callable[[], None]
    ) -> None:
        self.joins = ""
        self.news: WifiNews | None = None
        self._trial = trial
        self._monotonic_ns = monotonic_ns
        self._changed = changed
        self.taken: Inbox[Wifi] = Inbox()
        self._last: tuple[Wifi, int] | None = None

    def take(self, wifi: Wifi) -> None:
        """Try this network next."""
        self._last = wifi, self._monotonic_ns()
        self.taken.put(wifi)

    def take_code(self, code: str, situation: Situation) -> None:
        """Try the network of a code, where one is needed; what cannot be is told."""
        waits = situation.step is Step.CLAIM
        if self.joins or not (waits or situation.trouble in _NEEDS_A_NETWORK):
            return
        wifi = from_wifi_code(code)
        if isinstance(wifi, WifiCodeRefused):
            self._tell(WifiNews(_ENDS[wifi]))
        elif not self._was_just_taken(wifi):
            self.take(wifi)
            if waits:
                self._tell(WifiNews(WifiEnd.WAITS, wifi.name))

    async def try_out(self, claim: ClaimFile) -> None:
        """Join the newest that was taken; where that fails all is as it was."""
        wifi = self.taken.take()
        while self.taken:
            wifi = self.taken.take()
        self.joins, self.news = wifi.name, None
        self._changed()
        joined = False
        try:
            joined = await self._trial.joined(claim, wifi)
        except (ClaimFileRefused, GuardError, OSError) as error:
            log.warning("wifi not set", reason=str(error))
        finally:
            self.joins = ""
            self._last = wifi, self._monotonic_ns()
        log.info("wifi tried", joined=joined)
        self._tell(None if joined else WifiNews(WifiEnd.NOT_JOINED, wifi.name))

    def _was_just_taken(self, wifi: Wifi) -> bool:
        if self._last is None or self._last[0] != wifi:
            return False
        return self._monotonic_ns() - self._last[1] < AGAIN_AFTER_S * 1e9

    def _tell(self, news: WifiNews | None) -> None:
        self.news = news
        self._changed()


def radio_is_up(interfaces: Path) -> bool:
    """Whether any wireless interface is connected, as far as the kernel knows. Raises OSError."""
    radios = (path.parent for path in interfaces.glob("*/phy80211"))
    return any((radio / "operstate").read_text().strip() == "up" for radio in radios)
