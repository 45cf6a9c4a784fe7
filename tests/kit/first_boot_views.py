"""A first boot that is played: the page draws whatever situation it is given, and what is done is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date

from firmware.day.self_test import PartFinding
from firmware.first_boot.terms import Situation, Step, Trouble, WifiEnd, WifiNews
from firmware.page.first_boot import FirstBootPage
from firmware.page.number_gate import NumberGate
from firmware.page.store import new_certificate
from trust.names import DeviceName
from trust.network import Wifi
from trust.tls.address import Address
from trust.tls.contexts import page_server

KNOWN = Situation(
    Step.AGGREGATOR,
    device="kit-07",
    site="harbour-clinic",
    target="aggregator.relief.example:50051",
    wifi="Harbour Clinic",
    languages=("en",),
)
WORDS = "3f2a-91bc-07de-5a10"
DETAIL = "`target` is 'aggregator': write it as host:port, aggregator.example:50051 - at `aggregator`"
READER = PartFinding(
    "fingerprint reader", False, "no answer from the reader at /dev/ttyAMA0: check its cable and the port"
)
_OF_THE_CLAIM = (
    Trouble.FILE_UNREADABLE,
    Trouble.CODE_UNREADABLE,
    Trouble.CODE_FOREIGN,
    Trouble.CLAIM_UNKNOWN,
    Trouble.CLAIM_OF_OTHER_SITE,
    Trouble.CLAIM_USED,
    Trouble.CLAIM_EXPIRED,
    Trouble.REFUSED,
)
_OF_THE_WAY = (
    Trouble.NO_NETWORK,
    Trouble.NO_ANSWER,
    Trouble.OTHER_AGGREGATOR,
    Trouble.NO_KEYS,
    Trouble.NOT_WRITTEN,
)
SITUATIONS = (
    Situation(Step.CLAIM),
    *(Situation(Step.CLAIM, trouble, DETAIL) for trouble in _OF_THE_CLAIM[:3]),
    *(replace(KNOWN, step=Step.CLAIM, trouble=trouble, detail=DETAIL) for trouble in _OF_THE_CLAIM[3:]),
    KNOWN,
    *(replace(KNOWN, trouble=Trouble.NO_NETWORK, news=WifiNews(end, "Field Office")) for end in WifiEnd),
    replace(KNOWN, trouble=Trouble.NO_NETWORK, joins="Field Office"),
    *(replace(KNOWN, trouble=trouble, detail=DETAIL) for trouble in _OF_THE_WAY),
    replace(KNOWN, trouble=Trouble.NO_NETWORK, clock=date(1970, 1, 1)),
    replace(KNOWN, step=Step.APPROVAL, key_words=WORDS),
    replace(KNOWN, step=Step.SUPERVISOR),
    replace(KNOWN, step=Step.SUPERVISOR, trouble=Trouble.PIN),
    replace(KNOWN, step=Step.SUPERVISOR, trouble=Trouble.NAMES_NOBODY),
    replace(KNOWN, step=Step.SETTINGS),
    replace(KNOWN, step=Step.SELF_TEST),
    replace(KNOWN, step=Step.SELF_TEST, trouble=Trouble.PARTS, findings=(READER,)),
    replace(KNOWN, step=Step.SELF_TEST, trouble=Trouble.NOT_STARTED, detail=DETAIL),
    replace(KNOWN, step=Step.SELF_TEST, ready=True),
)


@dataclass
class PlayedBoot:
    """What the page asks of a first boot. done: what people did."""

    situation: Situation = SITUATIONS[0]
    done: list[object] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(changed)
        return lambda: self.listeners.remove(changed)

    def turn_to(self, situation: Situation) -> None:
        self.situation = situation
        for listener in tuple(self.listeners):
            listener()

    def again(self) -> None:
        self.done.append("again")

    def go_on(self) -> None:
        self.done.append("go on")

    def take_wifi(self, wifi: Wifi) -> None:
        self.done.append(wifi)

    def name_supervisor(self, name: str, pin: bytearray) -> None:
        self.done.append((name, pin.decode()))


@dataclass
class Served:
    """A page, the boot that it shows, and where."""

    boot: PlayedBoot
    page: FirstBootPage
    address: str


@asynccontextmanager
async def first_boot_page(
    now_s: Callable[[], float] = lambda: 0.0, gate: NumberGate | None = None
) -> AsyncIterator[Served]:
    """gate: of the page for tablets, over TLS."""
    boot = PlayedBoot()
    page = FirstBootPage(boot, now_s, gate)
    tls = None if gate is None else page_server(new_certificate(DeviceName("kit-07", "harbour-clinic")))
    address = await page.start(Address("127.0.0.1", 0), tls)
    try:
        yield Served(boot, page, address)
    finally:
        await page.stop()
