"""The whole line on real fingers and faces: emulated sensor, replay camera, decision, record, aggregator."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from firmware.demo.scenario import Face, Finger
from firmware.demo.server import Server
from firmware.demo.wire import Wire
from firmware.desk import NotRegistered
from firmware.records import Outcome
from firmware.session.machine import Show
from firmware.session.registration import NoticeAnswer
from firmware.store.audit import AuditBroken
from firmware.store.errors import StoreFull
from inference.types import Modality
from sensors.board.port import Button
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from tests.kit.line import line
from tests.kit.real_people import RealPeople
from trust.consent import Consent

FINGER_ONLY = (Modality.FINGER,)
FACE_ONLY = (Modality.FACE,)


@pytest.fixture
def actors(shared_data: Path) -> RealPeople:
    return RealPeople(shared_data)


async def test_real_people_are_told_apart_by_finger_and_by_face(tmp_path: Path, actors: RealPeople) -> None:
    first, second, third, stranger = actors.people
    async with line(tmp_path, actors) as desk:
        for person in (first, second, third):
            registered = await desk.register(person)
            assert registered.record is not None
            assert (registered.record.face_templates, registered.record.finger_templates) == (2, 4)
            assert registered.possible_same == ()
        assert (await desk.verify(first, order=FACE_ONLY)).record.outcome is Outcome.MATCH
        assert (await desk.verify(second, order=FINGER_ONLY)).record.outcome is Outcome.MATCH
        assert (await desk.identify(third)).subject == third.subject
        assert (await desk.verify(stranger, claim=first)).record.outcome is Outcome.NO_MATCH
        assert (await desk.identify(stranger)).subject is None
        assert (await desk.verify(second, claim=third)).record.outcome is Outcome.NO_MATCH
        household = (third, first)
        assert (await desk.verify(first, *household, order=FACE_ONLY)).subject == first.subject
        expected_today = [first.subject, second.subject]
        on_list = await desk.identify(second, among=expected_today, order=FACE_ONLY)
        not_on_list = await desk.identify(third, among=expected_today, order=FACE_ONLY)
        assert (on_list.subject, not_on_list.subject) == (second.subject, None)
        assert (on_list.record.gallery_size, not_on_list.suggested) == (2, ())


async def test_a_dry_finger_is_asked_again_and_then_served(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        desk.shown.clear()
        result = await desk.verify(person, fingers=(Finger.DRY, Finger.GOOD), order=FINGER_ONLY)
    again = [effect.reason for effect in desk.shown if effect.signal is Signal.TRY_AGAIN]
    assert again[0] is RetryReason.PRESS_MORE  # an R503 has no code for a dry finger
    assert result.record.outcome is Outcome.MATCH
    assert desk.shown[-1].signal is Signal.DONE


async def test_without_a_face_the_fingers_serve(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        result = await desk.verify(person, face=Face.NOBODY)
    assert result.record.outcome is Outcome.MATCH
    assert result.record.modalities == (Modality.FINGER,)


async def test_two_fingers_never_enrol_as_one(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        desk.stage.enter(person, Face.NOBODY, (Finger.GOOD, Finger.WRONG))
        await desk.appliance.desk.register(person.subject, NoticeAnswer(Consent.ACCEPTED, "1", "en"))
        desk.stage.leave()
    assert RetryReason.SAME_FINGER in [effect.reason for effect in desk.shown]


async def test_a_reader_unplugged_in_a_session_leaves_the_face_to_serve(
    tmp_path: Path, actors: RealPeople
) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        desk.appliance.presenter.add_listener(
            lambda effect: desk.sensor.unplug() if effect.signal is Signal.PLACE_FINGER else None
        )
        result = await desk.verify(person, order=(Modality.FINGER, Modality.FACE))
        assert result.record.outcome is Outcome.MATCH
        assert result.record.modalities == (Modality.FACE,)
        assert Signal.DEVICE_FAULT in [effect.signal for effect in desk.shown]


async def test_help_leads_to_a_person_while_the_reader_waits(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        desk.appliance.presenter.add_listener(
            lambda effect: (
                desk.appliance.desk.press(Button.HELP) if effect.signal is Signal.PLACE_FINGER else None
            )
        )
        result = await desk.verify(person, order=FINGER_ONLY)
    assert result.record.outcome is Outcome.UNAVAILABLE
    assert desk.shown[-1].signal is Signal.GO_TO_A_PERSON


async def test_a_person_who_declines_is_registered_without_templates(
    tmp_path: Path, actors: RealPeople
) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        result = await desk.register(person, NoticeAnswer(Consent.DECLINED, "1", "en"))
        assert result.record is not None
        assert (result.record.face_templates, result.record.finger_templates) == (0, 0)
        assert [effect.signal for effect in desk.shown] == [Signal.DONE]
        with pytest.raises(NotRegistered):
            await desk.verify(person)


async def test_the_answer_to_the_notice_is_stored_before_anything_is_captured(
    tmp_path: Path, actors: RealPeople
) -> None:
    async with line(tmp_path, actors) as desk:
        rows_at_capture: list[asyncio.Future[int | AuditBroken]] = []

        def count_rows(effect: Show) -> None:
            if effect.signal is Signal.LOOK_HERE and not rows_at_capture:
                look = desk.appliance.store.run(lambda store: store.verify_audit())
                rows_at_capture.append(asyncio.ensure_future(look))

        desk.appliance.presenter.add_listener(count_rows)
        await desk.register(actors.people[0])
        assert await rows_at_capture[0] == 1


async def test_an_erased_person_is_unknown_to_search_and_store(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        assert await desk.appliance.desk.erase(person.subject) == 1
        assert (await desk.identify(person)).subject is None
        with pytest.raises(NotRegistered):
            await desk.verify(person)


async def test_records_reach_the_aggregator_exactly_once_across_a_cut(
    tmp_path: Path, actors: RealPeople
) -> None:
    person = actors.people[0]
    server = await Server.start(tmp_path)
    wire = Wire(server.listen)
    await wire.mend()
    try:
        async with line(tmp_path, actors, uplink=wire.address, joins=server) as desk:
            await desk.register(person)
            await desk.verify(person, order=FACE_ONLY)
            await wire.cut()
            await desk.verify(person, order=FACE_ONLY)
            await wire.mend()
            await desk.verify(person, order=FACE_ONLY)
            async with asyncio.timeout(30):
                await desk.appliance.link.until_acknowledged()
        await wire.cut()
        rows = await server.results()
    finally:
        await server.stop()
    assert Counter(row["seq"] for row in rows) == Counter([1, 2, 3, 4])
    assert sorted(row["kind"] for row in rows) == ["check_in"] * 3 + ["registration"]


async def test_on_a_full_disk_nothing_is_shown_as_done_and_nothing_is_half_written(
    tmp_path: Path, actors: RealPeople
) -> None:
    person = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(person)
        written = await desk.appliance.store.run(lambda store: store.counts())
    size_mb = (tmp_path / "state" / "aidpost.db").stat().st_size / 1e6
    async with line(tmp_path, actors, max_store_mb=size_mb) as desk:

        async def serve_until_full() -> None:
            while True:  # the free room on the last pages takes a few records
                await desk.verify(person, order=FACE_ONLY)

        with pytest.raises(StoreFull):
            await serve_until_full()
        assert desk.shown[-1].signal is Signal.DEVICE_FAULT
        assert isinstance(await desk.appliance.store.run(lambda store: store.verify_audit()), int)
    async with line(tmp_path, actors) as desk:
        assert (await desk.verify(person, order=FACE_ONLY)).seq > written.written
