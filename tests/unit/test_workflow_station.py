"""The station: one session for any number of viewers and the buttons; no press spills over."""

from __future__ import annotations

from firmware.workflow.screen import Acted
from firmware.workflow.viewing import Accepted, HeldBack, HeldBy, Stale
from sensors.board.port import Button
from sensors.board.signals import Signal
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import CARD, READS_S, Rig, collector, to_hand_over
from trust.service import Answer


async def test_an_act_for_a_screen_that_is_over_changes_nothing_and_is_told(camp: Rig) -> None:
    await to_hand_over(camp)
    seen = camp.station.revision
    camp.time.pass_s(READS_S)
    assert await camp.station.act(seen, Acted("given")) == Accepted()
    assert await camp.station.act(seen, Acted("given")) == Stale()
    await camp.station.settled()
    assert await camp.station.act(seen, Acted("not given")) == Stale()
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]


async def test_guidance_makes_no_act_stale(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    seen = camp.station.revision
    camp.signals.show(camp.signals.shown[-1])
    camp.time.pass_s(READS_S)
    camp.signals.show(camp.signals.shown[-1])
    assert await camp.station.act(seen, Acted("without")) == Accepted()


async def test_a_second_member_of_staff_is_told_who_serves_and_may_take_over(camp: Rig) -> None:
    await to_hand_over(camp)
    assert await camp.act("given", operator="boris") == HeldBy("amina")
    assert camp.services() == []
    await camp.station.take_over("boris")
    assert await camp.act("given", operator="amina") == HeldBy("boris")
    assert await camp.act("given", operator="boris") == Accepted()
    assert [service.operator for service in camp.services()] == ["boris"]
    assert camp.station.holder == "boris"
    await camp.act("next", operator="boris")
    assert camp.station.holder == ""


async def test_help_works_for_everybody_and_for_any_screen(camp: Rig) -> None:
    await to_hand_over(camp)
    assert await camp.station.act(0, Acted("help", operator="boris")) == Accepted()
    await camp.station.settled()
    assert camp.station.screen.name == "answer-person"


async def test_viewers_come_and_go_and_see_the_same_screen(camp: Rig) -> None:
    await camp.boot()
    seen: list[int] = []
    leave = camp.station.subscribe(lambda: seen.append(camp.station.revision))
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    await camp.acts(CARD)
    assert seen == sorted(seen)
    assert seen[-1] == camp.station.revision
    leave()
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.acts("given")
    assert seen[-1] < camp.station.revision


async def test_the_four_buttons_alone_lead_through_a_hand_over(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    await camp.station.act(camp.station.revision, Acted("card", "hh-0001"))  # the camera saw it
    await camp.rest()
    assert Signal.CARD_READ in [show.signal for show in camp.signals.shown], "a short beep"
    assert await camp.press(Button.OK) == Accepted()
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]
    before = camp.station.revision
    await camp.station.press(Button.AGAIN)
    assert (camp.station.highlight, camp.station.revision) == (1, before)
    await camp.station.press(Button.LANGUAGE)
    assert camp.station.language == "fr"
    await camp.station.press(Button.HELP)
    assert camp.signals.shown[-1].signal is Signal.GO_TO_A_PERSON
    await camp.station.press(Button.AGAIN)
    await camp.press(Button.OK)
    assert (camp.station.screen.name, camp.station.language) == ("distribution-ready", "en")


async def test_ok_alone_never_gives_a_persons_own_answer(clinic: Rig) -> None:
    await clinic.boot()
    await clinic.acts("no card")
    for screen in ("clinic-notice", "clinic-question"):
        assert (clinic.station.screen.name, clinic.station.highlight) == (screen, None)
        assert await clinic.press(Button.OK) == HeldBack()
        if screen == "clinic-notice":
            await clinic.acts("question")
    await clinic.press(Button.AGAIN)
    assert clinic.station.highlight == 0
    await clinic.acts("accept")
    assert clinic.station.screen.name != "clinic-question", "the answer that was touched counts"


async def test_the_second_press_of_an_impatient_finger_does_not_hand_over(camp: Rig) -> None:
    await to_hand_over(camp)
    given = Acted("given", operator="amina")
    camp.time.pass_s(0.39)
    assert await camp.station.act(camp.station.revision, given) == HeldBack()
    camp.time.pass_s(0.2)
    assert await camp.station.press(Button.OK) == HeldBack()
    assert camp.services() == []
    camp.time.pass_s(0.02)
    assert await camp.station.press(Button.OK) == Accepted()
    await camp.station.settled()
    assert await camp.station.press(Button.OK) == HeldBack(), "nor is the answer pressed away"
    assert camp.station.screen.name == "answer-given"
    assert await camp.station.press(Button.HELP) == Accepted(), "HELP is never held back"


async def test_a_card_that_the_camera_sees_at_once_is_taken(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.acts("given", "next")
    seen = Acted("card", "hh-0002", "amina")
    assert await camp.station.act(camp.station.revision, seen) == Accepted()
