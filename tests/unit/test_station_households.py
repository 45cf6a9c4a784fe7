"""One household, one hand-over: claims and their time, the owner's word, and the loss cap without it."""

from __future__ import annotations

import pytest

from firmware.workflow.plain import plain
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import CARD, Rig, collector, to_hand_over
from tests.kit.work_lists import DAY
from trust.service import Answer


async def test_a_claim_that_is_not_given_expires_by_the_clock(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.pass_s(299)
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.pass_s(1)
    assert camp.station.screen.name == "answer-not-given"
    assert [service.answer for service in camp.services()] == [Answer.NOT_GIVEN]
    assert camp.store.ledger.collected_here() == []


@pytest.mark.parametrize(("before", "after"), [("post-2", "post-2"), ("post-2", ""), ("", "post-2")])
async def test_a_power_cut_hides_no_silent_owner_from_the_loss_cap(
    camp: Rig, before: str, after: str
) -> None:
    await camp.boot()
    camp.owner.silent_desk = before
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over"
    await camp.boot(same_boot=False, silent_desk=after)
    assert await camp.acts("given") == "answer-given"
    assert [row.owner_silent for row in camp.store.day.served()] == [True]
    assert camp.store.work.exceptions_left() == 1


async def test_an_owner_that_falls_silent_at_the_renewal_counts_in_the_loss_cap(camp: Rig) -> None:
    await camp.boot()
    for number, screen in (("0001", "hand-over"), ("0002", "hand-over"), ("0003", "not-here-now")):
        camp.owner.silent_desk = ""
        await camp.acts(f"card: hh-{number}")
        assert camp.station.screen.name == "distribution-look-at-card"
        camp.time.pass_s(400)  # most of the first claim is over
        camp.owner.silent_desk = "post-2"
        assert await camp.acts("seen") == f"distribution-{screen}"
        if screen == "hand-over":
            assert "Desk post-2 does not answer." in [plain(line) for line in camp.station.screen.lines]
            await camp.acts("given", "next")
    assert await camp.acts("desk") == "answer-desk", "a person decides"
    assert camp.store.work.exceptions_left() == 0


async def test_after_a_power_cut_a_silent_owner_and_a_cap_that_is_used_up_lead_to_a_person(
    camp: Rig,
) -> None:
    await camp.boot()
    camp.owner.silent_desk = "post-2"
    for number in ("0001", "0002"):
        await camp.acts(f"card: hh-{number}", "seen", "given", "next")
    camp.owner.silent_desk = ""
    assert await camp.acts("card: hh-0003", "seen") == "distribution-hand-over"
    await camp.boot(same_boot=False, silent_desk="post-2")
    assert camp.station.screen.name == "distribution-not-here-now"
    assert await camp.acts("desk") == "answer-desk"
    assert camp.store.work.open_session() is None


async def test_without_the_owners_word_the_loss_cap_is_the_end(camp: Rig) -> None:
    await camp.boot()
    camp.owner.silent_desk = "post-2"
    camp.station.refresh()
    unchecked, *island = camp.station.screen.lines
    assert "checked the clock" in unchecked.message, "nothing vouches for the clock of this boot"
    assert len(island) == 2, "it is shown before anybody is served, too"
    camp.desk.registered = collector()
    assert await camp.acts(CARD) == "distribution-verify"
    collectors_own = [plain(line) for line in camp.station.screen.lines]
    assert not any("desk" in line.lower() or "twice" in line for line in collectors_own)
    await camp.acts("help")
    assert not any("twice" in plain(line) for line in camp.station.screen.lines)
    await camp.acts("help", "next")
    for number in ("0001", "0002"):
        camp.desk.registered = collector(number)
        camp.desk.script.append(Ends())
        await camp.acts(f"card: hh-{number}")
        assert camp.station.screen.lines, "the worst case is shown"
        await camp.acts("given", "next")
    assert camp.owner.connected().worst_case == 2
    assert await camp.acts("card: hh-0003") == "distribution-not-here-now"
    assert await camp.acts("desk") == "answer-desk"
    answers = [service.answer for service in camp.services()]
    assert answers == [Answer.PERSON, Answer.GIVEN, Answer.GIVEN, Answer.DESK]


async def test_a_card_of_another_list_leads_to_the_help_desk(camp: Rig) -> None:
    await camp.boot()
    assert await camp.acts("card: hh-9999") == "distribution-not-here-now"
    assert await camp.acts("desk", "next") == "distribution-ready"
    camp.store.lists.erase(camp.time.clock().now())
    assert await camp.acts(CARD) == "distribution-not-here-now"
    assert "No list is loaded" in camp.station.screen.title.message


async def test_a_decision_that_took_long_renews_the_claim_or_goes_by_the_owners_word(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD, "help")
    camp.time.pass_s(440)
    assert await camp.acts("seen") == "distribution-hand-over"
    await camp.pass_s(299)
    assert await camp.acts("given") == "answer-given"
    assert await camp.acts("next", "card: hh-0002") == "distribution-look-at-card"
    camp.owner.given_elsewhere = "post-2"
    camp.time.pass_s(500)
    assert await camp.acts("seen") == "answer-already-collected"


async def test_a_forged_card_looks_like_any_other_and_is_in_the_audit_log_without_who_held_it(
    camp: Rig,
) -> None:
    await camp.boot()
    camp.store.day.open(camp.time.clock().now(), "amina", [], DAY)
    assert await camp.acts("card: forged") == "distribution-card"
    assert camp.store.day.acts()["forged card", ""] == 1
    assert await camp.acts("card: hh-0001") != "distribution-card"
    assert camp.store.day.acts()["forged card", ""] == 1
