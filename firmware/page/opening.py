"""Opens the page as the configuration asks: on loopback for the touch screen, over TLS for tablets."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog

from firmware.config import ConfigError
from firmware.config import Page as PageSettings
from firmware.notices import Notices
from firmware.page.app import Page, Rules
from firmware.page.browsers import Front
from firmware.page.ports import Bar, DayWork, ListWork, Staff, StaffWork, Station, UpdateWork
from firmware.page.recordings import Recordings
from firmware.page.streams import Streams
from firmware.page.translate import LANGUAGES
from firmware.page.viewfinder import LiveView
from sensors.board.port import Button
from trust import certificates
from trust.tls.address import Address
from trust.tls.contexts import Shown, page_server
from trust.web.certificate import CertificateUnusable, context_of
from trust.web.server import PageServer

log = structlog.get_logger()


class PageMisconfigured(ConfigError):
    """The page cannot be served as configured; the message says what to do."""


class OperatorPage:
    """Both fronts of one page. sounds: whether browsers play the tones, where the appliance has no board.

    certificate: returns key and certificate for tablets, where the configuration names none.
    """

    def __init__(
        self,
        settings: PageSettings,
        *,
        station: Station,
        staff: Staff,
        bar: Callable[[], Bar],
        live_view: LiveView,
        monotonic_s: Callable[[], float],
        certificate: Shown | None,
        sounds: bool,
        day: DayWork | None = None,
        lists: ListWork | None = None,
        members: StaffWork | None = None,
        updates: UpdateWork | None = None,
        notices: Notices,
    ) -> None:
        unknown = [tag for tag in settings.languages if tag.partition("-")[0] not in LANGUAGES]
        if unknown:
            known = ", ".join(LANGUAGES)
            raise PageMisconfigured(
                f"[page] languages: there is no catalog for {unknown[0]}; there are {known}"
            )
        self._settings = settings
        self._station = station
        self._staff = staff
        self._bar = bar
        self._live_view = live_view
        self._monotonic_s = monotonic_s
        self._certificate = certificate
        self._day = day
        self._lists = lists
        self._members = members
        self._updates = updates
        self._rules = Rules(settings.rest_min * 60, settings.bystanders, sounds, fingerprint=self.fingerprint)
        self._recordings = Recordings(settings.recordings)
        self._notices = notices
        self._streams = Streams()
        self._stack = AsyncExitStack()
        self._pages: dict[Front, Page] = {}
        self.addresses: dict[Front, str] = {}
        """Where the page is served, as a browser writes it."""

    async def start(self) -> None:
        """Listen. Raises ConfigError and AddressInUse."""
        touch, tablet = self._settings.touch_address(), self._settings.tablet_address()
        try:
            if touch is not None:
                await self._serve(Front.TOUCH, touch, None)
            if tablet is not None:
                await self._serve(Front.TABLET, tablet, self._tls())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the streams and stop listening."""
        self._streams.close()
        self._live_view.stir()
        await self._stack.aclose()

    async def _serve(self, front: Front, address: Address, tls: ssl.SSLContext | None) -> None:
        page = Page(
            front,
            self._station,
            self._staff,
            self._bar,
            self._live_view,
            self._monotonic_s,
            self._streams,
            # Beside the appliance's own screen a tablet is in the hands of staff, and stays silent.
            replace(self._rules, speaks=front is Front.TOUCH or self._settings.touch is None),
            self._recordings,
            self._notices,
            day=self._day,
            lists=self._lists,
            members=self._members,
            updates=self._updates,
            forget=self._forget,
        )
        self._pages[front] = page
        server = PageServer(
            address, page.app, tls, is_signed_in=page.is_signed_in, elsewhere="name another under [page]"
        )
        listening = await server.start()
        self._stack.push_async_callback(server.stop)
        self.addresses[front] = f"{'http' if tls is None else 'https'}://{listening}/"
        log.info("page", front=front.value, address=str(listening))

    def _tls(self) -> ssl.SSLContext:
        certificate, key = self._settings.certificate, self._settings.key
        if certificate is not None and key is not None:
            return tablet_context(certificate, key)
        if self._certificate is None:
            raise AssertionError("the composition root makes a certificate where none is named")
        return page_server(self._certificate)

    def _forget(self, name: str) -> None:
        for page in self._pages.values():
            page.forget(name)

    def takes(self, button: Button) -> bool:
        """Let a button of the board move about the touch screen, where a PIN or a number is entered there."""
        touch = self._pages.get(Front.TOUCH)
        return touch is not None and touch.takes(button)

    @property
    def at_hand(self) -> str:
        """Who is signed in at the touch screen, empty for nobody."""
        touch = self._pages.get(Front.TOUCH)
        return "" if touch is None else touch.at_hand

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate that tablets see; empty without tablets, or with one of their own."""
        return "" if self._certificate is None else certificates.fingerprint(self._certificate.chain[0])


def tablet_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a site's own certificate and key come to. Raises PageMisconfigured."""
    try:
        return context_of(certificate, key)
    except CertificateUnusable as error:
        raise PageMisconfigured(str(error)) from error
