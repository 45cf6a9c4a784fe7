"""What devices say that they are: taken for what it can be, and never more."""

from __future__ import annotations

from aggregator.fleet.terms import FLEET, Facts, Health, Reported
from aggregator.holdings import AuditEntry
from aggregator.records import DeviceFault
from aggregator.store import administration, fleet_devices, fleet_reports, fleet_states
from aggregator.store.place import Place
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.fleet_store import desire, device, fleet_store, hello, report, wanted
from trust.state import DesiredResult, DesiredState, Refusal, ReportedState

DEVICES = {"desk-1": "north", "desk-2": "south"}
HOUR_NS = 3600 * 1_000_000_000


def test_drift_is_shown_until_the_report_shows_what_is_desired(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        fleet_reports.note(db, "desk-1", report(None), NOW_NS)
        assert device(db, "desk-1").problems == ()
        desire(db, FLEET, session__tries="3")
        assert _reported(device(db, "desk-1").reported).drift == ("settings.session.tries",)
        assert fleet_devices.matching(db, "drift", NOW_NS, ()) == ("desk-1",)
        fleet_reports.note(db, "desk-1", report(wanted(db, "desk-1")), NOW_NS)
        assert _reported(device(db, "desk-1").reported).drift == ()
        assert device(db, "desk-1").health is Health.WELL


def test_a_device_is_told_once_it_reported_and_what_it_has_not_decided_on(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, FLEET, session__tries="3")
        assert fleet_states.due(db, DEVICES) == {}, "it may be of a version without desired states"
        fleet_reports.note(db, "desk-1", report(None), NOW_NS)
        due = fleet_states.due(db, DEVICES)
        assert due == {"desk-1": wanted(db, "desk-1")}
        fleet_reports.note(db, "desk-1", report(due["desk-1"], DesiredResult.WAITING, digest=""), NOW_NS)
        assert set(fleet_states.due(db, DEVICES)) == {"desk-1"}, "the window may be another now"
        for result in (DesiredResult.REFUSED, DesiredResult.ROLLED_BACK, DesiredResult.APPLIED):
            fleet_reports.note(db, "desk-1", report(due["desk-1"], result), NOW_NS)
            assert fleet_states.due(db, DEVICES) == {}


def test_what_was_refused_is_a_problem_with_the_devices_reason(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, FLEET, session__tries="3")
        refusal = Refusal("settings.session.tries", "write a number from 1 to 5")
        refused = report(
            wanted(db, "desk-1"), DesiredResult.REFUSED, digest="", settings={}, refusals=(refusal,)
        )
        fleet_reports.note(db, "desk-1", refused, NOW_NS)
        seen = device(db, "desk-1")
        assert seen.health is Health.WARNING
        assert "settings.session.tries: write a number from 1 to 5" in seen.problems


def test_what_is_desired_again_is_tried_again_by_those_that_failed(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, FLEET, session__tries="3")
        for device_id, result in (("desk-1", DesiredResult.ROLLED_BACK), ("desk-2", DesiredResult.APPLIED)):
            fleet_reports.note(db, device_id, report(wanted(db, device_id), result), NOW_NS)
        assert desire(db, FLEET, session__tries="3").recomputed.changed == {"desk-1"}
        assert {each: wanted(db, each).generation for each in DEVICES} == {"desk-1": 2, "desk-2": 1}
        assert set(fleet_states.due(db, DEVICES)) == {"desk-1"}
        assert desire(db, FLEET, session__tries="3").recomputed.changed == set(), "it has not answered yet"


def test_a_report_that_cannot_be_so_is_doubted_and_the_audit_log_says_so_once_an_hour(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, FLEET, session__tries="3")
        first = wanted(db, "desk-1")
        desire(db, FLEET, session__tries="4")
        newest = wanted(db, "desk-1")
        lies: list[tuple[str, ReportedState]] = [
            ("never given", report(newest, digest="ff" * 32)),
            ("applied generation 2, and shows another", report(newest, digest=first.digest())),
            ("does not show settings.session.tries", report(newest, settings={"session.tries": "3"})),
            ("never given", report(None, generation=0, digest="ff" * 32)),
            ("reports generation 7, was given 2", report(newest, generation=7)),
        ]
        for said, lie in lies:
            noted = fleet_reports.note(db, "desk-1", lie, NOW_NS)
            assert said in noted.reported.doubt
            assert said in " ".join(device(db, "desk-1").problems)
            assert device(db, "desk-1").health is Health.WARNING
            fleet_reports.note(db, "desk-1", lie, NOW_NS)
        assert len(doubts(db)) == 1
        fleet_reports.note(db, "desk-1", lies[0][1], NOW_NS + HOUR_NS)
        assert len(doubts(db)) == 2
        fleet_reports.note(db, "desk-1", lies[0][1], NOW_NS - 24 * HOUR_NS)  # the clock was set back
        assert len(doubts(db)) == 3
        honest = fleet_reports.note(db, "desk-1", report(wanted(db, "desk-1")), NOW_NS)
        assert honest.reported.doubt == ""
        assert device(db, "desk-2").reported is None, "one device's word changes nothing for another"


def test_a_device_that_is_ahead_of_a_restored_store_takes_what_is_desired_again(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        ahead = report(DesiredState(9, {"session.tries": "8"}, ()))
        fleet_reports.note(db, "desk-2", ahead, NOW_NS)
        desire(db, FLEET, session__tries="3")
        assert fleet_states.due(db, ["desk-2"])["desk-2"].generation == 10
        fleet_reports.note(db, "desk-1", ahead, NOW_NS)
        assert fleet_states.due(db, ["desk-1"])["desk-1"].generation == 10
        made_up = report(DesiredState(2**63 - 1, {}, ()))
        fleet_reports.note(db, "desk-1", made_up, NOW_NS)
        desire(db, FLEET, session__tries="4")
        assert wanted(db, "desk-1").generation == 11


def test_a_device_is_silent_beyond_its_own_pattern_whatever_clocks_do(
    store: Place,
) -> None:
    with fleet_store(store, DEVICES) as db:
        for day in range(1, 4):  # on for an hour, off for 60
            hello(db, "desk-1", "north", 10 + day, at_ns=NOW_NS + day * 60 * HOUR_NS)
        last_ns = NOW_NS + 3 * 60 * HOUR_NS
        hello(db, "desk-2", "south", 10, at_ns=last_ns)

        def health(device_id: str, after_h: int) -> Health:
            return device(db, device_id, connected=False, now_ns=last_ns + after_h * HOUR_NS).health

        assert health("desk-1", 60) is Health.WELL
        assert health("desk-1", 130) is Health.SILENT
        assert health("desk-2", -5) is Health.WELL, "the clock was set back"
        hello(db, "desk-2", "south", 11, at_ns=last_ns + 10**6 * HOUR_NS)
        hello(db, "desk-2", "south", 12, at_ns=last_ns)
        assert health("desk-2", 15 * 24) is Health.SILENT, "a jump of a hundred years is no pattern"
        found = fleet_devices.facts(db, last_ns + 10 * HOUR_NS, {"desk-1"})
        assert [each.silent_s for each in found] == [0.0, 36000.0]


def test_parts_that_failed_make_the_word(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        fleet_devices.note_fault(db, "desk-1", DeviceFault("camera", recovered=False, kind="Gone"), NOW_NS)
        assert (device(db, "desk-1").health, device(db, "desk-1").problems) == (
            Health.WARNING,
            ("camera: Gone",),
        )
        fleet_devices.note_fault(
            db, "desk-1", DeviceFault("fingerprint", recovered=False, kind="Gone"), NOW_NS
        )
        assert device(db, "desk-1").health is Health.FAILING
        assert fleet_devices.matching(db, "health = failing", NOW_NS, DEVICES) == ("desk-1",)
        for part in ("camera", "fingerprint"):
            fleet_devices.note_fault(db, "desk-1", DeviceFault(part, recovered=True, kind=""), NOW_NS)
        assert device(db, "desk-1").health is Health.WELL
        expected = Facts("desk-1", "north", {}, {}, "0.1.0", connected=True)
        assert fleet_devices.facts(db, NOW_NS, DEVICES)[0] == expected


def doubts(db: Database) -> list[AuditEntry]:
    return [entry for entry in administration.read(db, 0, 1000) if entry.act == "report doubted"]


def _reported(found: Reported | None) -> Reported:
    assert found is not None
    return found
