"""The page of the first boot for tablets in the site's network, from when a claim asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from firmware.first_boot.ports import Boot
from firmware.first_boot.terms import Situation, Step
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
        self._served: tuple[str, str, str] | None = None
        self._alone = asyncio.Lock()
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
        """Serve the page as the claim of now asks; lamp, screen and claim go on where its port is taken."""
        wanted = (situation.device, situation.site, situation.tablets)
        async with self._alone:
            # Between two claims, whoever is at the tablet sees what to do.
            if situation.step is Step.CLAIM or wanted == self._served:
                return
            await self._end()
            if not situation.tablets:
                return
            page = FirstBootPage(self._boot, self._monotonic_s, self._gate)
            shown = new_certificate(DeviceName(situation.device, situation.site))
            address = Address.parse(situation.tablets)
            try:
                served = await page.start(address, page_server(shown))
            except AddressInUse as error:  # tried again with the next situation
                log.warning("no page for tablets", reason=str(error))
                return
            self._page, self._served, self.certificate = page, wanted, shown
            self.address = Address.parse(served.removeprefix("https://").removesuffix("/"))
            log.info("page for tablets", address=str(address))

    async def stop(self) -> None:
        """Let browsers hear the last, and stop listening."""
        async with self._alone:
            await self._end()

    async def _end(self) -> None:
        page, self._page = self._page, None
        self._served = self.certificate = self.address = None
        if page is not None:
            await page.stop()
