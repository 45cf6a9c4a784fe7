"""Power cuts, a store that takes nothing, and a hand-over on paper: nobody is left without a record."""

from __future__ import annotations

import pytest

from firmware.workflow.station import WRITES_AGAIN_S
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import CARD, PINS, Rig, collector, to_hand_over
from trust.service import Answer, Basis


async def test_after_a_power_cut_the_hand_over_is_still_there_and_not_collected(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.time.pass_s(100)
    await camp.boot(same_boot=False)
    assert camp.station.screen.name == "distribution-hand-over"
    assert camp.station.screen.rations
    assert camp.store.ledger.collected_here() == []
    await camp.acts("given")
    [service] = camp.services()
    assert (service.answer, service.basis, len(service.check_ins)) == (Answer.GIVEN, Basis.BIOMETRIC, 1)


async def test_after_a_power_cut_a_hand_over_that_nobody_gives_expires(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.boot()
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.pass_s(301)
    assert [service.answer for service in camp.services()] == [Answer.NOT_GIVEN]
    camp.time.pass_s(30)
    camp.station.tick()
    assert camp.station.screen.name == "distribution-ready"


async def test_a_power_cut_in_the_middle_leaves_nobody_without_a_record(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    await camp.boot(same_boot=False)
    assert camp.station.screen.name == "distribution-ready"
    assert [service.answer for service in camp.services()] == [Answer.PERSON]
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over", "the desk's own claim is taken up again"


async def test_what_cannot_be_written_down_never_looks_done(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    assert await camp.acts("given") == "not-written-down"
    assert await camp.acts("again") == "not-written-down"
    camp.disk_full = False
    assert camp.services() == []
    assert await camp.acts("again") == "answer-given"
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]


async def test_what_was_handed_over_on_paper_is_written_down_once_the_store_writes_again(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    assert await camp.acts("given", "on paper") == "distribution-ready"
    await camp.pass_s(WRITES_AGAIN_S)
    assert (camp.services(), camp.store.ledger.collected_here()) == ([], [])
    camp.disk_full = False
    await camp.pass_s(WRITES_AGAIN_S)
    [service] = camp.services()
    assert (service.answer, service.basis, len(service.check_ins)) == (Answer.GIVEN, Basis.PAPER, 1)
    assert camp.owner.given_to_owner == ["hh-0001"]
    assert camp.store.work.open_session() is None, "the day can be closed"
    assert await camp.acts(CARD) == "answer-already-collected"


async def test_the_next_person_is_served_over_what_waits_to_be_written(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.disk_full = False
    assert await camp.acts("card: hh-0002", "seen", "given") == "answer-given"
    assert [service.basis for service in camp.services()] == [Basis.PAPER, Basis.CARD]


async def test_an_exception_on_paper_still_counts_in_the_loss_cap(camp: Rig) -> None:
    await camp.boot()
    await camp.acts(CARD, "supervisor", "list wrong", f"countersign: boris\n{PINS['boris']}", "give")
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.disk_full = False
    await camp.pass_s(WRITES_AGAIN_S)
    assert [service.basis for service in camp.services()] == [Basis.EXCEPTION]
    assert camp.store.work.exceptions_left() == 1


@pytest.mark.parametrize(
    ("said", "answer", "collected"),
    [("given", Answer.GIVEN, ["hh-0001"]), ("not given", Answer.NOT_GIVEN, [])],
)
async def test_a_hand_over_on_paper_is_asked_about_after_a_restart(
    camp: Rig, said: str, answer: Answer, collected: list[str]
) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.time.pass_s(400)
    camp.disk_full = False
    await camp.boot()
    assert (camp.station.screen.name, camp.station.highlight) == ("distribution-asking-if-given", None)
    assert await camp.acts(said) == "answer-" + said.replace(" ", "-")
    assert [service.answer for service in camp.services()] == [answer]
    assert camp.store.ledger.collected_here() == collected


async def test_the_station_stops_with_a_record_of_whoever_is_served(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    await camp.station.stop()
    assert [service.answer for service in camp.services()] == [Answer.PERSON]
