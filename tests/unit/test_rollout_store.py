"""Rollouts in the store: what is told, what is desired again, what happened to people; each turn is whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from aggregator.fleet.canary import Counts, Verdict
from aggregator.fleet.rings import draw
from aggregator.fleet.rollout import Change, Ring, Rollout, RolloutState, Standing, Thresholds, Watch
from aggregator.fleet.rollout_engine import Observed, cancel
from aggregator.fleet.tallies import CHECK_INS, HOUR_NS
from aggregator.fleet.terms import DesireChange, Invalid, Scope, ScopeKind
from aggregator.records import Mode, Outcome
from aggregator.store import administration, fleet_desires, fleet_reports, fleet_rollout_turns, fleet_rollouts
from aggregator.store.fleet_rollout_making import Wish, make, plan
from aggregator.store.fleet_rollout_outcomes import OutcomeReader
from aggregator.store.fleet_rollouts import Held, NameTaken, Overlap
from aggregator.store.place import Place
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.fleet_store import ACTOR, POINT, desire, fleet_store, report, wanted
from tests.kit.rollouts import UNJUDGED
from trust.state import DesiredResult, Refusal

DEVICES = {f"desk-{number}": f"site-{number // 2}" for number in range(6)}
HALVES = (Ring("first", "", 50, 0), Ring("rest", "", 100, 0))


def made(
    db: Database,
    name: str = "tries",
    change: Change | None = None,
    terms: Thresholds = UNJUDGED,
    devices: Sequence[str] = tuple(DEVICES),
) -> Held | NameTaken | Overlap:
    members = draw(name, {each: DEVICES[each] for each in devices}, HALVES, lambda _: frozenset())
    assert isinstance(members, tuple), members
    rollout = Rollout(
        name=name,
        title="",
        change=change or Change({"session.tries": "4"}, (POINT,)),
        filter="",
        rings=HALVES,
        thresholds=terms,
        members=members,
        watches=(Watch(), Watch()),
        created_ns=NOW_NS,
        created_by=ACTOR,
    )
    return fleet_rollouts.create(db, rollout, NOW_NS, ACTOR)


def turn(db: Database, now_ns: int = NOW_NS, name: str = "tries", *, people: bool = False) -> Rollout:
    before = whole(db, name)
    seen = fleet_rollout_turns.observe(db, before, now_ns, DEVICES, 0)
    outcomes = OutcomeReader().read(db, before, now_ns) if people else {}
    after, _ = fleet_rollout_turns.turn(db, name, Observed(seen, outcomes), now_ns)
    assert after is not None
    assert whole(db, name) == after, "what was written down is what was decided"
    return after


def whole(db: Database, name: str = "tries") -> Rollout:
    found = fleet_rollouts.whole(db, name)
    assert found is not None
    return found[0]


def of(rollout: Rollout, standing: Standing) -> set[str]:
    return {each.device_id for each in rollout.members if each.standing is standing}


def all_apply(db: Database, device_ids: set[str], now_ns: int = NOW_NS) -> None:
    for device_id in device_ids:
        fleet_reports.note(db, device_id, report(wanted(db, device_id)), now_ns)


def test_a_turn_desires_the_change_of_its_ring_alone_and_goes_on_with_the_reports(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made(db)
        first = of(turn(db), Standing.TOLD)
        assert len(first) == 3
        for device_id in first:
            assert wanted(db, device_id).settings == {"session.tries": "4"}
            assert wanted(db, device_id).artifacts == (POINT,)
        all_apply(db, first)
        second = of(turn(db), Standing.TOLD)
        assert second == set(DEVICES) - first
        all_apply(db, second)
        done = turn(db)
        assert (done.state, of(done, Standing.APPLIED)) == (RolloutState.DONE, set(DEVICES))
        assert fleet_rollouts.under_way(db) == ()
        held = fleet_rollouts.find(db, "tries")
        assert held is not None
        assert [count.applied for count in held.counts] == [3, 3]
        acts = [entry.act for entry in administration.read(db, 1, 100) if entry.act.startswith("rollout")]
        assert acts == ["rollout created", "rollout went on", "rollout done"]


def test_a_refusal_stops_it_and_who_waits_gets_back_what_was_desired_before(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        for device_id in DEVICES:
            desire(db, Scope(ScopeKind.DEVICE, device_id), session__tries="2")
        made(db)
        refusing, *waiting = sorted(of(turn(db), Standing.TOLD))
        refusal = Refusal("artifacts.operating_point", "made for other models: update these first")
        state = wanted(db, refusing)
        said = report(state, DesiredResult.REFUSED, digest="", refusals=(refusal,))
        fleet_reports.note(db, refusing, said, NOW_NS)
        stopped = turn(db)
        assert stopped.state is RolloutState.STOPPED
        assert stopped.reason.endswith(
            f"{refusing} first: artifacts.operating_point: made for other models: update these first"
        )
        for device_id in waiting:
            assert wanted(db, device_id).settings == {"session.tries": "2"}
            assert wanted(db, device_id).artifacts == ()
        assert wanted(db, refusing) == state


def test_what_somebody_changed_since_is_not_taken_back(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made(db)
        first, second, third = sorted(of(turn(db), Standing.TOLD))
        all_apply(db, {first, second, third})
        desire(db, Scope(ScopeKind.DEVICE, second), session__tries="5")
        found = fleet_rollouts.whole(db, "tries")
        assert found is not None
        ended = cancel(found[0], ACTOR, NOW_NS, take_back=True)
        assert isinstance(ended, Rollout)
        fleet_rollouts.save(db, found[0], ended, found[1], NOW_NS, ACTOR)
        turn(db)
        assert wanted(db, first).settings == {}
        assert wanted(db, second).settings == {"session.tries": "5"}
        assert wanted(db, second).artifacts == ()
        assert fleet_rollouts.under_way(db) == ()


def test_what_rollouts_left_at_devices_is_told_to_who_desires_the_same_of_more(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made(db)
        turn(db)
        fleet, what = Scope(ScopeKind.FLEET), DesireChange({"session.tries": "5", "page.language": '"uk"'})
        assert fleet_desires.held_by_devices(db, fleet, what) == (
            "settings.session.tries: of 3 device(s) another value is desired alone, as after a rollout, and "
            "holds before: make a rollout to change theirs too",
        )
        elsewhere = Scope(ScopeKind.SITE, "nowhere")
        assert fleet_desires.held_by_devices(db, elsewhere, what) == ()
        same = DesireChange({"session.tries": " 4", "session.seconds": None})
        assert fleet_desires.held_by_devices(db, fleet, same) == ()


def test_a_device_that_says_what_cannot_be_so_has_refused(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made(db)
        liar = min(of(turn(db), Standing.TOLD))
        fleet_reports.note(db, liar, report(wanted(db, liar), settings={"session.tries": "1"}), NOW_NS)
        stopped = turn(db)
        assert of(stopped, Standing.REFUSED) == {liar}
        assert "does not show settings.session.tries" in stopped.reason


def test_an_older_report_answers_nothing(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, Scope(ScopeKind.FLEET), page__language='"uk"')
        all_apply(db, set(DEVICES))
        made(db)
        told = of(turn(db), Standing.TOLD)
        assert of(turn(db), Standing.TOLD) == told


def test_two_rollouts_may_share_devices_and_not_their_fields(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made(db)
        assert made(db) == NameTaken("tries")
        assert isinstance(made(db, "language", Change({"page.language": '"uk"'})), Held)
        overlap = made(db, "fewer", Change({"session.tries": "2"}), devices=("desk-0", "desk-1"))
        assert overlap == Overlap("tries", "settings.session.tries", ("desk-0", "desk-1"))
        found = fleet_rollouts.whole(db, "tries")
        assert found is not None
        ended = cancel(found[0], ACTOR, NOW_NS, take_back=False)
        assert isinstance(ended, Rollout)
        fleet_rollouts.save(db, found[0], ended, found[1], NOW_NS, ACTOR)
        assert isinstance(made(db, "fewer", Change({"session.tries": "2"})), Held)
        assert [held.rollout.name for held in fleet_rollouts.read(db, None, 2)] == ["tries", "language"]
        assert [held.rollout.name for held in fleet_rollouts.read(db, (NOW_NS, "language"), 2)] == ["fewer"]


def test_people_are_counted_before_the_ring_and_from_the_hour_after_each_answer(store: Place) -> None:
    terms = Thresholds(min_check_ins=100, failure_to_acquire_points=2, no_match_points=2)
    with fleet_store(store, DEVICES) as db:
        made(db, terms=terms)
        changed = of(turn(db), Standing.TOLD)
        all_apply(db, changed, NOW_NS + HOUR_NS)
        turn(db, NOW_NS + HOUR_NS)
        hour = NOW_NS // HOUR_NS
        for device_id in DEVICES:
            counted(db, device_id, hour - 24, match=190, retry=4, no_match=6)
            counted(db, device_id, hour - 15 * 24, retry=1000)  # too long ago
            counted(db, device_id, hour + 1, retry=1000)  # the hour of the answer
            worse = device_id in changed
            counted(db, device_id, hour + 2, match=160, retry=34 if worse else 4, no_match=6)
        before = whole(db)
        outcomes = OutcomeReader().read(db, before, NOW_NS + 3 * HOUR_NS)[0]
        assert {each.device_id for each in outcomes.changed} == changed
        assert {each.device_id for each in outcomes.unchanged} == set(DEVICES) - changed
        assert outcomes.changed[0].before == Counts(200, 4, 196, 6)
        assert outcomes.changed[0].after == Counts(200, 34, 166, 6)
        assert outcomes.unchanged[0].after == Counts(170, 4, 166, 6)
        stopped = turn(db, NOW_NS + 3 * HOUR_NS, people=True)
        assert stopped.state is RolloutState.STOPPED
        assert stopped.reason.startswith("stopped: ring first: failure to acquire rose from 2.0 % to 17.0 %")
        assert [shift.verdict for shift in stopped.watches[0].shifts] == [Verdict.WORSE, Verdict.NOT_WORSE]


def counted(
    db: Database, device_id: str, hour: int, match: int = 0, retry: int = 0, no_match: int = 0
) -> None:
    for outcome, count in ((Outcome.MATCH, match), (Outcome.RETRY, retry), (Outcome.NO_MATCH, no_match)):
        what = CHECK_INS[Mode.VERIFY, outcome]
        db.execute("INSERT INTO hourly VALUES (?, ?, ?, ?)", (what, hour, device_id, count))


def test_a_rollout_as_it_is_written_down_is_read_as_it_was(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        held = made(db)
        assert isinstance(held, Held)
        assert whole(db) == held.rollout
        assert fleet_rollouts.find(db, "tries") == replace(held, rollout=replace(held.rollout, members=()))


WISH = Wish("tries", "Four tries", Change({"session.tries": " 4"}), "", HALVES, UNJUDGED)


@pytest.mark.parametrize(
    ("wish", "field", "why"),
    [
        (replace(WISH, name="no name"), "rollout.name", "names are"),
        (replace(WISH, change=Change({})), "rollout.settings", "a rollout of nothing"),
        (replace(WISH, change=Change({"tries": "4"})), "rollout.settings.tries", "table and key"),
        (replace(WISH, change=Change({}, (replace(POINT, digest="0" * 64),))), "rollout.artifacts.", "held"),
        (replace(WISH, filter='site = "nowhere"'), "rollout.filter", "no device matches it"),
        (replace(WISH, filter="site ="), "rollout.filter", ""),
        (replace(WISH, rings=()), "rollout.rings", "from 1 to 20 rings"),
        (replace(WISH, rings=(Ring("half", "", 50, 0),)), "rollout.rings", "leave 3 of 6 devices out"),
        (replace(WISH, rings=(Ring("all", "", 100, 0), HALVES[1])), "rollout.rings[1].filter", "no device"),
        (replace(WISH, rings=(Ring("all", "sight = 1", 100, 0),)), "rollout.rings[0].filter", ""),
        (replace(WISH, rings=(HALVES[0], HALVES[0])), "rollout.rings[1].name", "name of its own"),
        (replace(WISH, rings=(Ring("all", "", 101, 0),)), "rollout.rings[0].percent", "1 to 100"),
        (replace(WISH, thresholds=Thresholds(min_devices=0)), "rollout.thresholds.min_devices", "1 or more"),
        (
            replace(WISH, thresholds=Thresholds(no_match_points=float("nan"))),
            "rollout.thresholds.no_match_points",
            "from 0 to 100",
        ),
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused_with_its_field(
    store: Place, wish: Wish, field: str, why: str
) -> None:
    with fleet_store(store, DEVICES) as db:
        refused = make(db, wish, NOW_NS, (), ACTOR)
        assert isinstance(refused, Invalid), refused
        assert refused.field.startswith(field)
        assert why in refused.why


def test_a_plan_says_what_stands_in_the_way(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        fleet_reports.note(db, "desk-0", report(None), NOW_NS)
        made(db)
        wish = replace(WISH, change=Change({"session.tries": "4"}, (POINT,)))
        rollout = make(db, wish, NOW_NS, (), ACTOR)
        assert isinstance(rollout, Rollout), rollout
        found = plan(db, replace(rollout, name="tries-2"), NOW_NS, DEVICES)
        assert found.size_bytes == 6 * POINT.size_bytes
        assert found.remarks[0] == (
            "rollout tries changes artifacts.operating_point of desk-0, desk-1, desk-2, desk-3, desk-4 and 1 "
            "more too and is not finished: this one cannot start before"
        )
        assert found.remarks[1].startswith("5 devices are yet to say what they hold")
        assert found.remarks[2].startswith("version 0.1.0 does not know session.tries")
