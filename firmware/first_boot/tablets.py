"""The page of the first boot for tablets in the site's network, from when a claim asks for it."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from firmware.first_boot.ports import Boot
from firmware.first_boot.terms import Situation
from firmware.page.first_boot import FirstBootPage
from firmware.page.number_gate import NumberGate
from firmware.page.store import new_certificate
from trust import certificates
from trust.names import DeviceName
from trust.tls.address import Address, AddressInUse
from trust.tls.contexts import Shown, page_server

log = structlog.get_logger()


class TabletPage:
    """Use `follow` with each situation, and `stop`.

    number: what a browser has to give. certificate: what it sees, which the appliance keeps; None before the
    page is served.
    """

    def __init__(self, boot: Boot, monotonic_s: Callable[[], float]) -> None:
        self._boot = boot
        self._monotonic_s = monotonic_s
        self._gate = NumberGate(monotonic_s)
        self._page: FirstBootPage | None = None
        self.certificate: Shown | None = None
        self.address: Address | None = None

    @property
    def number(self) -> str:
        """In two groups, to be read and typed, that stay in one line."""
        half = len(self._gate.number) // 2
        return f"{self._gate.number[:half]}\N{NO-BREAK SPACE}{self._gate.number[half:]}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, empty before there is one."""
        return "" if self.certificate is None else certificates.fingerprint(self.certificate.chain[0])

    async def follow(self, situation: Situation) -> None:
        """Serve the page once it is wanted; lamp, screen and claim go on where its port is taken."""
        if self._page is not None or not situation.tablets:
            return
        self._page = page = FirstBootPage(self._boot, self._monotonic_s, self._gate)
        shown = new_certificate(DeviceName(situation.device, situation.site))
        address = Address.parse(situation.tablets)
        try:
            served = await page.start(address, page_server(shown))
        except AddressInUse as error:
            log.warning("no page for tablets", reason=str(error))
            return
        self.certificate = shown
        self.address = Address.parse(served.removeprefix("https://").removesuffix("/"))
        log.info("page for tablets", address=str(address))

    async def stop(self) -> None:
        """Let browsers hear the last, and stop listening."""
        if self._page is not None:
            await self._page.stop()
