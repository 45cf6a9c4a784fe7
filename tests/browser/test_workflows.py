"""Every workflow from greeting to close: browser, station, store, emulated sensor and replay camera."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.records import Service
from firmware.workflow.terms import Answer, Basis, Workflow
from tests.browser.conftest import NewPage
from tests.browser.workplace import EILEEN, Workplace, choose, enter, shows, sign_in, workplace

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def services(place: Workplace) -> list[Service]:
    queued = await place.appliance.store.run(lambda store: store.pending(0, 1000))
    return [one.event.body for one in queued if isinstance(one.event.body, Service)]


async def test_the_clinic_registers_and_checks_in_by_touch(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en", "ar")) as place:
        page = await new_page()
        await sign_in(page, place.address)
        place.comes(EILEEN)
        await choose(page, "register")
        await shows(page, "registration-notice")
        await choose(page, "accept")
        await shows(page, "registration-age")
        await choose(page, "five or older")
        await shows(page, "registration-number")
        await enter(page, EILEEN.subject)
        await shows(page, "answer-registered")
        await choose(page, "next")
        await shows(page, "clinic-ready")
        await enter(page, EILEEN.subject)
        await shows(page, "clinic-notice")
        await choose(page, "accept")
        await shows(page, "answer-visit")
        done = await services(place)
        assert [(one.answer, one.basis, one.operator) for one in done] == [
            (Answer.REGISTERED, None, "amina"),
            (Answer.VISIT, Basis.BIOMETRIC, "amina"),
        ]
