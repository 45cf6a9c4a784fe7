"""Desired states in the store: who is touched by a change, and by how much a generation rises."""

from __future__ import annotations

from aggregator.fleet.terms import (
    FLEET,
    DesireChange,
    Group,
    Invalid,
    Missing,
    Scope,
    ScopeKind,
    Site,
    Stale,
)
from aggregator.store import administration, fleet_desires, fleet_inventory, fleet_states
from aggregator.store.fleet_desires import Changed
from aggregator.store.place import Place
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.fleet_store import ACTOR, POINT, desire, device, fleet_store, hello, wanted
from trust.state import Artifact, ArtifactKind, ServiceWindow

DEVICES = {"desk-1": "north", "desk-2": "north", "desk-3": "south"}
NORTH = Scope(ScopeKind.SITE, "north")
EARLY = Scope(ScopeKind.GROUP, "early")


def own(device_id: str) -> Scope:
    return Scope(ScopeKind.DEVICE, device_id)


def generations(db: Database) -> dict[str, int]:
    return {device_id: each.state.generation for device_id, each in fleet_states.desired(db, DEVICES).items()}


def put_group(db: Database, text: str, revision: int | None = None, rank: int = 0) -> Group:
    group = Group("early", 0, text, rank=rank)
    put = fleet_inventory.put_group(
        db, group, revision=revision, allow_missing=True, now_ns=NOW_NS, actor=ACTOR
    )
    assert isinstance(put, Group), put
    return put


def put_labels(db: Database, device_id: str, **labels: str) -> None:
    done = fleet_inventory.put_labels(db, device_id, labels, revision=None, now_ns=NOW_NS, actor=ACTOR)
    assert done is None


def test_a_change_raises_the_generation_of_the_devices_that_it_changes_alone(
    store: Place,
) -> None:
    with fleet_store(store, DEVICES) as db:
        assert desire(db, FLEET, session__tries="3").recomputed.changed == set(DEVICES)
        assert desire(db, NORTH, session__tries=" 3 ").recomputed.changed == set()  # it is so already
        assert desire(db, own("desk-2"), session__tries="4").recomputed.changed == {"desk-2"}
        assert desire(db, NORTH, session__tries="5").recomputed.changed == {"desk-1"}
        assert generations(db) == {"desk-1": 2, "desk-2": 2, "desk-3": 1}
        assert [wanted(db, each).settings["session.tries"] for each in DEVICES] == ["5", "4", "3"]
        assert desire(db, own("desk-2"), session__tries=None).recomputed.changed == {"desk-2"}
        assert wanted(db, "desk-2").settings == {"session.tries": "5"}


def test_a_label_brings_a_device_into_a_group_and_what_is_desired_of_it(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        put_group(db, "labels.ring = early")
        desire(db, EARLY, page__language='"uk"')
        assert generations(db) == {}
        put_labels(db, "desk-1", ring="early")
        assert generations(db) == {"desk-1": 1}
        assert device(db, "desk-1").groups == ("early",)
        put_labels(db, "desk-1", ring="early", floor="2")
        assert generations(db) == {"desk-1": 1}
        put_labels(db, "desk-1")
        assert wanted(db, "desk-1").settings == {}
        assert generations(db) == {"desk-1": 2}


def test_another_filter_another_rank_and_the_end_of_a_group_move_what_is_desired(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        put_group(db, "site = north")
        desire(db, EARLY, page__language='"uk"')
        assert generations(db) == {"desk-1": 1, "desk-2": 1}
        put_group(db, "device = desk-2 OR site = south")
        assert generations(db) == {"desk-1": 2, "desk-2": 1, "desk-3": 1}
        assert wanted(db, "desk-1").settings == {}
        gone = fleet_inventory.delete_group(db, "early", revision=2, now_ns=NOW_NS, actor=ACTOR)
        assert isinstance(gone, Group)
        assert wanted(db, "desk-3").settings == {}
        put_group(db, "site = north")
        assert wanted(db, "desk-1").settings == {}, "a new group of the name begins with no desire"


def test_groups_of_one_rank_that_contradict_each_other_are_a_problem_of_the_device(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        for name in ("b", "a"):
            group = Group(name, 0, "site = north")
            fleet_inventory.put_group(
                db, group, revision=None, allow_missing=True, now_ns=NOW_NS, actor=ACTOR
            )
            changed = desire(db, Scope(ScopeKind.GROUP, name), session__tries='"a"' if name == "a" else "2")
        assert "groups a and b desire different things" in changed.recomputed.remarks[0]
        assert any("groups a and b" in problem for problem in device(db, "desk-1").problems)
        assert device(db, "desk-3").problems == ()


def test_a_device_that_moves_or_is_updated_is_put_together_anew(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        desire(db, NORTH, session__tries="3")
        put_group(db, "version >= 0.2")
        desire(db, EARLY, page__language='"uk"')
        hello(db, "desk-3", "north", 10)
        assert wanted(db, "desk-3").settings == {"session.tries": "3"}
        hello(db, "desk-3", "north", 11, version="0.2.0")
        assert wanted(db, "desk-3").settings == {"page.language": '"uk"', "session.tries": "3"}
        hello(db, "desk-3", "north", 12, version="0.2.0")
        assert wanted(db, "desk-3").generation == 2
        hello(db, "desk-4", "north")
        assert wanted(db, "desk-4").settings == {"session.tries": "3"}


def test_of_two_desks_that_change_one_thing_the_second_is_told(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        made = put_group(db, "site = north")
        put_group(db, "site = south", revision=made.revision)
        second = fleet_inventory.put_group(
            db,
            Group("early", 0, "device = desk-1"),
            revision=made.revision,
            allow_missing=False,
            now_ns=NOW_NS,
            actor=ACTOR,
        )
        assert second == Stale(2)
        what = DesireChange({"session.tries": "3"})
        read = fleet_desires.read(db, FLEET)
        assert not isinstance(read, Missing)
        for expected in (Changed, Stale):
            changed = fleet_desires.change(
                db, FLEET, what, revision=read.revision, now_ns=NOW_NS, actor=ACTOR
            )
            assert isinstance(changed, expected)


def test_trying_a_change_says_whom_it_changes_and_changes_nothing(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        audit = len(administration.read(db, 0, 1000))
        tried = fleet_desires.change(
            db,
            NORTH,
            DesireChange({"session.tries": "3"}),
            revision=None,
            now_ns=NOW_NS,
            actor=ACTOR,
            validate_only=True,
        )
        assert isinstance(tried, Changed)
        assert tried.recomputed.changed == {"desk-1", "desk-2"}
        assert generations(db) == {}
        assert len(administration.read(db, 0, 1000)) == audit


def test_what_cannot_be_desired_is_named_and_nothing_is_changed(store: Place) -> None:
    unknown = Artifact(ArtifactKind.POLICY, "1", "00" * 32, 5)
    bad = {
        "desire.settings.Tries": DesireChange({"Tries": "3"}),
        "desire.settings.session.tries": DesireChange({"session.tries": "three"}),
        "desire.artifacts.policy": DesireChange(artifacts={"policy": unknown}),
        "desire.artifacts.firmware": DesireChange(artifacts={"firmware": unknown}),
    }
    with fleet_store(store, DEVICES) as db:
        for field, what in bad.items():
            refused = fleet_desires.change(db, FLEET, what, revision=None, now_ns=NOW_NS, actor=ACTOR)
            assert isinstance(refused, Invalid)
            assert refused.field == field
        held = DesireChange(artifacts={"operating_point": POINT})
        nowhere = fleet_desires.change(db, own("desk-9"), held, revision=None, now_ns=NOW_NS, actor=ACTOR)
        assert nowhere == Missing("device", "desk-9")
        assert generations(db) == {}
        changed = fleet_desires.change(db, FLEET, held, revision=None, now_ns=NOW_NS, actor=ACTOR)
        assert isinstance(changed, Changed)
        assert wanted(db, "desk-1").artifacts == (POINT,)


def test_a_rollout_desires_of_its_devices_alone_and_only_of_those_that_there_are(store: Place) -> None:
    with fleet_store(store, DEVICES) as db:
        what = DesireChange({"session.tries": "3"})
        told = fleet_desires.change_devices(
            db, ["desk-1", "desk-3", "desk-9"], what, now_ns=NOW_NS, actor=ACTOR, why="rollout r1"
        )
        assert not isinstance(told, Invalid)
        assert told.changed == {"desk-1", "desk-3"}
        assert generations(db) == {"desk-1": 1, "desk-3": 1}
        assert administration.read(db, 0, 1000)[-1].subject == (
            "rollout r1: settings.session.tries = 3 of 2 device(s)"
        )


def test_the_window_of_a_site_goes_with_what_is_desired_there(store: Place) -> None:
    window = ServiceWindow("Africa/Nairobi", 20 * 3600, 4 * 3600, (0, 1))
    with fleet_store(store, DEVICES) as db:
        desire(db, FLEET, session__tries="3")
        site = Site("north", 0, title="North gate", window=window, labels={"region": "n"})
        put = fleet_inventory.put_site(db, site, revision=0, allow_missing=False, now_ns=NOW_NS, actor=ACTOR)
        assert isinstance(put, Site)
        assert (put.revision, put.devices, put.window) == (1, 2, window)
        assert (wanted(db, "desk-1").window, wanted(db, "desk-3").window) == (window, None)
        assert generations(db)["desk-1"] == 1
        put_group(db, "site.labels.region = n")
        assert fleet_inventory.read_groups(db)[0].devices == 2
        assert [site.name for site in fleet_inventory.read_sites(db)] == ["north", "south"]
