"""One lane: the station over the parts of one appliance, with its buttons, its card scanner and its page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, assert_never

import structlog

from firmware.appliance import Appliance
from firmware.beside import Beside
from firmware.cards.making import token_key
from firmware.cards.payload import UNREADABLE
from firmware.cards.reading import CardReader, Expected
from firmware.config import Config
from firmware.config import Page as PageSettings
from firmware.day.on_page import DayOnPage
from firmware.lists.loading import ListLoading
from firmware.notices import Notices
from firmware.notices.reading import read_notices
from firmware.session.registration import NoticeAnswer
from firmware.store.errors import StoreError
from firmware.store.lists import LoadedList
from firmware.store.store import Store
from firmware.updater import NotFromImage
from firmware.updating.stick import StickUpdates
from firmware.workflow.parts import Parts
from firmware.workflow.ports import Work
from firmware.workflow.scanning import Scanning
from firmware.workflow.screen import Acted, Entry
from firmware.workflow.station import Station
from firmware.workflow.viewing import Reply, Stale
from sensors.board.port import BoardEvent, Button, TamperEvent, Typed
from trust.consent import Purpose
from trust.names import DeviceName
from trust.service import Workflow

if TYPE_CHECKING:
    from firmware.page.opening import OperatorPage

T = TypeVar("T")
log = structlog.get_logger()

LOOK_S = 5.0
"""How often the records that wait are counted for the top of the screen, and the list is looked at."""
WORKFLOWS = {Purpose.CLINIC_CHECK_IN: Workflow.CLINIC, Purpose.DISTRIBUTION: Workflow.DISTRIBUTION}


@dataclass(slots=True)
class _Known:
    """What was last read from the store: the list that is loaded, and how many records wait."""

    loaded: LoadedList | None = None
    waiting: int = 0


class Lane:
    """Serves people at one appliance; use it as an async context manager, within the appliance's.

    Raises StoreError, ConfigError where a notice is missing, and what the page raises that cannot be served.
    """

    station: Station
    page: OperatorPage | None
    notices: Notices

    def __init__(
        self,
        appliance: Appliance,
        local: Callable[[int], datetime] = lambda ns: datetime.fromtimestamp(ns / 1e9).astimezone(),
    ) -> None:
        self._appliance = appliance
        self._config: Config = appliance.config
        self._local = local
        self._known = _Known()
        self._own_holds = 0
        self._stack = AsyncExitStack()
        self._beside = Beside(self._stack)
        self._loop = asyncio.get_running_loop()
        self.notices = read_notices(self._config.page)
        self._presses: set[asyncio.Task[object]] = set()
        self.page = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        appliance, settings = self._appliance, self._config.page
        await self._look()
        parts = Parts(
            desk=appliance.desk,
            in_work=self._in_work,
            note_answer=self._note_answer,
            ownership=appliance.mesh.site,
            cards=CardReader(self._expected),
            clock=appliance.clock,
            local=self._local,
            notices=self.notices,
        )
        languages = settings.languages if settings is not None else ("en",)
        workflow = WORKFLOWS[self._config.device.purpose]
        self.station = Station(parts, workflow, appliance.presenter, languages=languages)
        await self.station.start()
        self._stack.push_async_callback(self.station.stop)
        self._beside.run("station", self.station.run())
        self._stack.callback(appliance.occupancy.watch(self._busy, self._kept_free))
        self._beside.run("lane", self._keep_looking())
        appliance.listen(self._from_board)
        if settings is not None:
            await self._open_page(settings)
        if appliance.scanner is not None:
            scanning = Scanning(
                self.station, appliance.scanner, self._at_hand, appliance.clock, unreadable=UNREADABLE
            )
            self._stack.callback(scanning.stop)

    def _busy(self) -> bool:
        """Whether somebody is served, or staff open or close the day."""
        return not self.station.idle or self.station.holds > self._own_holds

    @contextmanager
    def _kept_free(self) -> Iterator[None]:
        self._own_holds += 1
        try:
            with self.station.kept_free():
                yield
        finally:
            self._own_holds -= 1

    # --- what people press -----------------------------------------------------------------------------

    def _from_board(self, event: BoardEvent) -> None:
        """Called in a thread of the board's."""
        self._loop.call_soon_threadsafe(self.press, event)

    def press(self, event: BoardEvent) -> None:
        """Handle a button, a typed line or the tamper switch; call it in the event loop."""
        match event:
            case TamperEvent():
                log.warning("enclosure", state=event.value)
                return
            case Typed(text):
                handled = self._typed(text)
            case Button():
                if self.page is not None and self.page.takes(event):
                    return
                handled = self.station.press(event, self._at_hand())
            case _:
                assert_never(event)
        task = asyncio.ensure_future(handled)
        self._presses.add(task)
        task.add_done_callback(self._presses.discard)

    async def _typed(self, text: str) -> Reply:
        """Enter the number of a card. A PIN is not typed where everybody reads it: that needs a page."""
        entry = self.station.screen.entry
        if entry not in (Entry.CARD, Entry.NUMBER):
            return Stale()
        return await self.station.act(self.station.revision, Acted(entry.value, text, self._at_hand()))

    def _at_hand(self) -> str:
        """Who acts at the appliance itself: whoever serves, else whoever is signed in on its screen."""
        return self.station.holder or ("" if self.page is None else self.page.at_hand)

    # --- what the station is performed on --------------------------------------------------------------

    async def _in_work(self, work: Callable[[Work], T], /) -> T:
        try:
            return await self._appliance.store.run(lambda store: work(store.work))
        finally:
            self._appliance.link.committed()

    async def _note_answer(self, session_id: bytes, answer: NoticeAnswer) -> None:
        moment, notice = self._appliance.clock.now(), f"{answer.version} {answer.language}"
        await self._appliance.store.run(
            lambda store: store.note_answer(moment, session_id, answer.consent, notice)
        )

    def _expected(self) -> Expected:
        device, loaded = self._config.device, self._known.loaded
        moment = self._appliance.clock.now()
        is_clinic = loaded is not None and loaded.workflow is Workflow.CLINIC
        return Expected(
            device.site,
            device.purpose,
            self._today(),
            cycle="" if loaded is None or is_clinic else loaded.cycle,
            issuers=self._config.issuer.trusted(),
            token_key=token_key(loaded.key, loaded.first_day) if loaded is not None and is_clinic else None,
            clock_checked=moment.quality.is_set,
            list_day=None if loaded is None else loaded.first_day,
        )

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except StoreError as error:
                log.warning("not looked", kind=type(error).__name__, reason=str(error))
            self.station.refresh()

    async def _look(self) -> None:
        def work(store: Store) -> _Known:
            return _Known(store.lists.loaded(), sum(store.outbox.lanes().values()))

        former, self._known = self._known.loaded, await self._appliance.store.run(work)
        if self._known.loaded != former:
            await self._appliance.mesh.site.take_up()

    # --- the page --------------------------------------------------------------------------------------

    async def _open_page(self, settings: PageSettings) -> None:
        # Imported here: web server and translations cost what an appliance without a page must not pay.
        from firmware.page.opening import OperatorPage
        from firmware.page.ports import Bar
        from firmware.page.store import StaffOfStore, certificate_of
        from firmware.page.viewfinder import LiveView

        appliance, device = self._appliance, self._config.device
        live_view = appliance.live_view or LiveView()
        named = DeviceName(device.id, device.site)
        certificate = None
        if settings.tablet is not None and settings.certificate is None:
            certificate = await appliance.store.run(lambda store: certificate_of(store, named))

        def bar() -> Bar:
            link = appliance.link
            return Bar(device.id, self._known.waiting, None if link.uplink is None else link.connected)

        staff = StaffOfStore(appliance.store.run, appliance.clock)
        page = OperatorPage(
            settings,
            station=self.station,
            staff=staff,
            members=staff,
            bar=bar,
            live_view=live_view,
            monotonic_s=lambda: appliance.clock.monotonic_ns() / 1e9,
            certificate=certificate,
            sounds=self._config.board is None,
            notices=self.notices,
            day=DayOnPage(appliance.day, self._look),
            lists=self._list_loading(settings),
            updates=self._software_on_sticks(settings.lists),
        )
        await page.start()
        self._stack.push_async_callback(page.stop)
        self.page = page

    def _software_on_sticks(self, folder: Path | None) -> StickUpdates | None:
        appliance, host = self._appliance, self._appliance.host
        if folder is None or isinstance(host.updater, NotFromImage):
            return None
        return StickUpdates(folder, host.updater, host.power, appliance.occupancy, appliance.parts.well)

    def _list_loading(self, settings: PageSettings) -> ListLoading:
        appliance = self._appliance

        async def committed() -> None:
            appliance.link.committed()
            await self._look()
            self.station.refresh()

        return ListLoading(
            appliance.store.run,
            self._config.device,
            trusted=self._config.issuer.trusted(),
            folder=settings.lists,
            moment=appliance.clock.now,
            today=self._today,
            committed=committed,
        )

    def _today(self) -> date:
        return self._local(self._appliance.clock.wall_ns()).date()
