"""The pages on which two supervisors load the list while the appliance runs."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from firmware.lists.reading import FaultsFound, ReadList
from firmware.page import words
from firmware.page.beside import Beside, Place
from firmware.page.browsers import Browsers, Front
from firmware.page.list_facts import facts_of
from firmware.page.ports import ListWork, Staff, Station
from firmware.page.upload import read_upload
from firmware.page.viewers import Operator, Viewer
from firmware.records import ListLoaded
from firmware.store.errors import ListRefused, StoreError
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Text
from firmware.workflow.terms import Role
from trust.lists.faults import Fault, Form
from trust.lists.table import too_large
from trust.lists.terms import ClinicList
from trust.web.protection import read_form

log = structlog.get_logger()
FAULTS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A list that can be loaded, as it was shown. by: who checked it; mark: what the form sends back."""

    file: str
    read: ReadList
    by: str
    mark: str = field(default_factory=secrets.token_urlsafe)

    @property
    def needs_second(self) -> bool:
        """Whether a second supervisor has to sign: a clinic's list that an issuer signed needs none."""
        return self.read.signed_by is None or not isinstance(self.read.planned, ClinicList)


class ListPages:
    """Part of one front's page, beside `DayPages`."""

    def __init__(
        self,
        lists: ListWork,
        station: Station,
        staff: Staff,
        beside: Beside,
        browsers: Browsers,
    ) -> None:
        self._lists = lists
        self._station = station
        self._staff = staff
        self._beside = beside
        self._browsers = browsers
        self._at_hand = browsers.front is Front.TOUCH
        self._draft: Draft | None = None
        self.routes = [
            Route("/day/list", self._show),
            Route("/day/list/file", self._upload, methods=["POST"]),
            Route("/day/list/pick", self._pick, methods=["POST"]),
            Route("/day/list/load", self._load, methods=["POST"]),
            Route("/day/list/drop", self._drop, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        viewer = self._browsers.signed_in(request)
        if viewer is None or _supervisor(viewer) is None:
            return RedirectResponse("/day", 303)
        return await self._drawn(viewer)

    async def _upload(self, request: Request) -> Response:
        # Who asks is looked at before anything is read: nobody else fills the memory.
        asks = self._browsers.signed_in(request)
        if asks is None or _supervisor(asks) is None:
            raise HTTPException(403, "a supervisor loads the list")
        sent = await read_upload(request)
        if sent.content is None:
            return await self._drawn(asks, faults=_one(too_large()))
        viewer = self._browsers.sender(request, sent.fields)
        if not sent.content and not sent.file:
            return await self._drawn(viewer, words.NO_FILE_CHOSEN)
        content = sent.content
        return await self._check(viewer, sent.file, lambda: self._lists.read(content))

    async def _pick(self, request: Request) -> Response:
        fields = await read_form(request)
        file = fields.get("file", "")
        return await self._check(self._browsers.sender(request, fields), file, lambda: self._lists.pick(file))

    async def _check(
        self, viewer: Viewer, file: str, look: Callable[[], Awaitable[ReadList | FaultsFound]]
    ) -> Response:
        """Look at a file, and show what it says or what has to be corrected."""
        operator = _supervisor(viewer)
        if operator is None:
            return RedirectResponse("/day", 303)
        self._draft = None
        try:
            read = await look()
        except StoreError as error:
            return await self._not_written(viewer, error)
        if isinstance(read, FaultsFound):
            return await self._drawn(viewer, faults=read, file=file)
        self._draft = Draft(file, read, operator.name)
        return await self._drawn(viewer)

    async def _drop(self, request: Request) -> Response:
        viewer = self._browsers.sender(request, await read_form(request))
        self._draft = None
        return RedirectResponse("/day/list", 303) if _supervisor(viewer) else RedirectResponse("/day", 303)

    async def _load(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
        operator, draft = _supervisor(viewer), self._draft
        if operator is None:
            return RedirectResponse("/day", 303)
        mark = fields.get("draft", "")
        if draft is None or draft.by != operator.name or not hmac.compare_digest(draft.mark, mark):
            return await self._drawn(viewer, words.CHECK_ANEW)
        if not self._station.idle:
            return await self._drawn(viewer, words.FIRST_FINISH)
        approved_by: tuple[str, ...] = ()
        if draft.needs_second:
            peer = self._browsers.peer(request)
            second = fields.get("second_name", "").strip()
            refusal = await self._countersigned(operator, second, fields.get("pin", ""), peer)
            if refusal is not None:
                return await self._drawn(viewer, refusal, second=second)
            approved_by = (operator.name, second)
        if self._draft is not draft:
            return await self._drawn(viewer, words.CHECK_ANEW)
        self._draft = None
        try:
            done = await self._lists.load(draft.read, approved_by)
        except ListRefused as error:
            return await self._drawn(viewer, faults=_one(Fault(str(error))), file=draft.file)
        except StoreError as error:
            self._draft = draft
            return await self._not_written(viewer, error)
        if isinstance(done, FaultsFound):
            return await self._drawn(viewer, faults=done, file=draft.file)
        return await self._drawn(viewer, done=done)

    async def _countersigned(self, first: Operator, second: str, pin: str, peer: str) -> Text | None:
        """Return None where a second supervisor signed, otherwise what to say."""
        # Before the PIN is looked at: nobody counts as two by the way their name is written.
        if second.casefold() == first.name.casefold():
            return words.TWO_SUPERVISORS
        match await self._staff.check_pin(second, pin, peer):
            case PinWrong(tries_left):
                return words.wrong_pin(tries_left)
            case PinWaits(wait_s):
                return words.wait_for_pin(wait_s)
            case Role.SUPERVISOR:
                return None
            case Role.OPERATOR:
                return words.TWO_SUPERVISORS

    async def _not_written(self, viewer: Viewer, error: StoreError) -> Response:
        log.warning("list not loaded", kind=type(error).__name__, reason=str(error))
        return await self._drawn(viewer, words.NOT_WRITTEN)

    async def _drawn(
        self,
        viewer: Viewer,
        message: Text | None = None,
        *,
        faults: FaultsFound | None = None,
        file: str = "",
        done: ListLoaded | None = None,
        second: str = "",
    ) -> Response:
        operator, draft = viewer.operator, self._draft
        if draft is not None and (faults is not None or operator is None or draft.by != operator.name):
            draft = None  # somebody else checked it
        if draft is not None:
            names = await self._staff.names() if self._at_hand else ()
            others = [name for name in names if operator is None or name != operator.name]
            facts = facts_of(draft.read)
            return self._beside.drawn(
                "list_check.html",
                viewer,
                Place.LIST,
                message=message,
                draft=draft,
                facts=facts,
                names=others,
                second=second,
            )
        present = await self._lists.loaded()
        return self._beside.drawn(
            "list.html",
            viewer,
            Place.LIST,
            message=message,
            present=None if present is None else words.now_loaded(present),
            done=None if done is None else words.list_loaded(done.entries),
            files=await self._lists.files(),
            has_folder=self._lists.has_folder,
            # The browser of the touch screen would show the appliance's own files.
            uploads=not self._at_hand or not self._lists.has_folder,
            faults=None if faults is None else faults.faults[:FAULTS_SHOWN],
            form=None if faults is None else faults.form,
            found=0 if faults is None else len(faults.faults),
            file=file,
        )


def _one(fault: Fault) -> FaultsFound:
    return FaultsFound((fault,), Form.CSV)


def _supervisor(viewer: Viewer) -> Operator | None:
    operator = viewer.operator
    return operator if operator is not None and operator.role is Role.SUPERVISOR else None
