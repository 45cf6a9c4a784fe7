"""A rollout goes ring by ring, stops by itself, and goes on when a person says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregator.fleet.canary import Counts, Verdict
from aggregator.fleet.rings import RingsRefused, draw
from aggregator.fleet.rollout import (
    BY_PEOPLE,
    TRANSITIONS,
    Member,
    Ring,
    Rollout,
    RolloutState,
    Standing,
    Thresholds,
    count_ring,
)
from aggregator.fleet.rollout_diagram import diagram
from aggregator.fleet.rollout_engine import (
    NotAllowed,
    Observed,
    Restore,
    Seen,
    Tell,
    cancel,
    pause,
    resume,
    step,
)
from tests.kit.rollouts import (
    APPLIED,
    HOUR_NS,
    REFUSED,
    START_NS,
    answering,
    outcomes,
    rollout,
    told,
    turned,
)
from trust.state import DesiredResult

WAITING = Seen(DesiredResult.WAITING)
ROLLED_BACK = Seen(DesiredResult.ROLLED_BACK, "self_test: no frame from the camera")
JUDGED = Thresholds(min_check_ins=800, failure_to_acquire_points=2, no_match_points=2)


def allowed(state: Rollout | NotAllowed) -> Rollout:
    assert isinstance(state, Rollout), state
    return state


def test_rings_follow_each_other_to_the_end() -> None:
    state, acts = turned(rollout())
    sizes = [len(acts)]
    while state.state is RolloutState.RUNNING:
        state, acts = turned(state, answering(state))
        sizes.append(len(acts))
    assert sizes == [2, 9, 9, 0]
    assert state.state is RolloutState.DONE
    assert [count_ring(state, ring).applied for ring in range(3)] == [2, 9, 9]


def test_the_next_ring_waits_for_the_soak_after_the_last_answer() -> None:
    state, _ = turned(rollout(soak_s=3600))
    state, acts = turned(state, answering(state), START_NS + HOUR_NS)
    assert (state.ring, acts) == (0, ())
    assert state.reason == "ring ring-0: watched until 2026-01-01 11:00 UTC"
    state, acts = turned(state, None, START_NS + 2 * HOUR_NS)
    assert (state.ring, len(acts)) == (1, 9)


def test_devices_that_wait_for_their_window_are_counted_and_never_timed_out() -> None:
    state, _ = turned(rollout())
    state, acts = turned(state, answering(state, WAITING), START_NS + 1000 * HOUR_NS)
    counted = count_ring(state, 0)
    assert (counted.told, counted.waiting, acts) == (2, 2, ())
    assert state.state is RolloutState.RUNNING
    assert state.reason == "ring ring-0: waits for the answers of 2 more devices"


def test_too_many_errors_stop_it_and_who_has_not_taken_it_up_is_told_otherwise() -> None:
    state, _ = turned(rollout(percents=(50, 100)))
    first, *others = told(state)
    state, acts = turned(state, {first.device_id: ROLLED_BACK})
    assert state.state is RolloutState.STOPPED
    assert state.reason == (
        f"stopped: ring ring-0: 1 of 10 devices, {first.device_id} first: self_test: no frame from the camera"
    )
    assert acts == tuple(Restore(each.device_id) for each in others)
    assert turned(state) == (state, ())


def test_an_error_is_borne_up_to_the_percentage_that_was_set() -> None:
    terms = Thresholds(error_percent=10, success_percent=90, min_check_ins=0, failure_to_acquire_points=0,
                       no_match_points=0)  # fmt: skip
    state, _ = turned(rollout(percents=(50, 100), thresholds=terms))
    first = told(state)[0].device_id
    state, acts = turned(state, answering(state) | {first: REFUSED})
    assert (state.state, state.ring, len(acts)) == (RolloutState.RUNNING, 1, 10)


def test_a_device_that_failed_before_it_was_told_is_no_error_of_the_change() -> None:
    state = rollout(percents=(50, 100))
    one = next(state.of_ring(0)).device_id
    failing = Seen(DesiredResult.APPLIED, failing=True)
    state, _ = turned(state, {one: Seen(failing=True)})
    state, _ = turned(state, answering(state) | {one: failing})
    assert state.state is RolloutState.RUNNING
    state, _ = turned(state, {next(state.of_ring(0)).device_id: failing, told(state)[0].device_id: failing})
    assert state.state is RolloutState.STOPPED


def test_after_a_stop_a_person_lets_it_go_on_without_the_errors_that_were_seen() -> None:
    state, _ = turned(rollout(percents=(50, 100)))
    broken = told(state)[0].device_id
    state, _ = turned(state, {broken: REFUSED})
    state = allowed(resume(state, "operator ana"))
    state, acts = turned(state)
    assert (state.state, len(acts)) == (RolloutState.RUNNING, 9)
    state, acts = turned(state, answering(state))
    assert (state.state, state.ring, len(acts)) == (RolloutState.RUNNING, 1, 10)


def test_paused_nobody_new_is_told_and_what_was_told_is_still_counted() -> None:
    state, _ = turned(rollout())
    state = allowed(pause(state, "operator ana"))
    state, acts = turned(state, answering(state))
    assert (state.reason, acts, count_ring(state, 0).applied) == ("paused by operator ana", (), 2)
    _, acts = turned(allowed(resume(state, "operator ben")))
    assert len(acts) == 9


@pytest.mark.parametrize(("take_back", "restored"), [(True, 11), (False, 9)])
def test_cancelled_it_tells_otherwise_who_has_not_changed_and_if_asked_who_has(
    take_back: bool, restored: int
) -> None:
    state, _ = turned(rollout())
    state, _ = turned(state, answering(state))
    state = allowed(cancel(state, "operator ana", START_NS, take_back=take_back))
    state, acts = turned(state)
    assert len(acts) == restored
    assert all(isinstance(act, Restore) for act in acts)
    assert turned(state) == (state, ())


def test_what_the_table_does_not_list_is_refused_with_what_can_be_done() -> None:
    ended = allowed(cancel(rollout(), "operator ana", START_NS, take_back=False))
    refused = resume(ended, "operator ana")
    assert isinstance(refused, NotAllowed)
    assert refused.why == "rollout tries is cancelled and cannot be resumed: make a new one"
    refused = resume(rollout(), "operator ana")
    assert isinstance(refused, NotAllowed)
    assert refused.why == "rollout tries is running and cannot be resumed: it can be paused or cancelled"


def test_the_last_ring_waits_for_all_that_are_not_silent() -> None:
    terms = Thresholds(min_devices=1, min_check_ins=0, failure_to_acquire_points=0, no_match_points=0)
    state, _ = turned(rollout(percents=(100,), thresholds=terms))
    first, second, *others = told(state)
    state, _ = turned(state, {each.device_id: APPLIED for each in (first, *others)})
    assert state.reason == "ring ring-0: waits for the answers of 1 more devices"
    state, _ = turned(state, {second.device_id: Seen(silent=True)})
    assert state.state is RolloutState.DONE
    assert state.reason == "all rings passed; 1 devices are silent and take it up when they are back"


def test_a_shift_at_people_stops_it_and_too_few_check_ins_hold_it() -> None:
    state, _ = turned(rollout(percents=(20, 100), thresholds=JUDGED))
    state, acts = turned(state, answering(state))
    assert (state.reason, acts) == ("ring ring-0: waits for 800 more check-ins at changed devices", ())
    calm = outcomes([(8, 9)] * 4, [(8, 8)] * 6, of=100)
    state, _ = step(state, Observed(outcomes={0: calm}), START_NS)
    assert state.reason == "ring ring-0: waits for 400 more check-ins at changed devices"
    worse = outcomes([(8, 40)] * 4, [(8, 8)] * 6)
    state, _ = step(state, Observed(outcomes={0: worse}), START_NS)
    assert state.state is RolloutState.STOPPED
    assert state.reason == (
        "stopped: ring ring-0: failure to acquire rose from 2.0 % to 10.0 % of check-ins, "
        "8.0 points more than at devices that have not changed"
    )
    state, _ = turned(allowed(resume(state, "operator ana")))
    assert (state.state, state.ring) == (RolloutState.RUNNING, 1)


def test_a_ring_that_looks_worse_where_it_cannot_be_sure_waits_and_does_not_stop() -> None:
    state, _ = turned(rollout(percents=(20, 100), thresholds=JUDGED))
    state, _ = turned(state, answering(state))
    seen = outcomes([(16, 80)] * 4, [(16, 16)] * 6, of=800)
    first, *others = seen.changed
    unseen = tuple(replace(each, after=Counts()) for each in others)
    state, acts = step(state, Observed(outcomes={0: replace(seen, changed=(first, *unseen))}), START_NS)
    assert (state.state, state.ring, acts) == (RolloutState.RUNNING, 0, ())
    assert state.reason == (
        "ring ring-0: looks worse for people, and waits for check-ins at more devices to be sure"
    )
    state, _ = step(state, Observed(outcomes={0: seen}), START_NS)
    assert state.state is RolloutState.STOPPED


def test_between_looks_figures_move_and_the_verdict_stays() -> None:
    state, _ = turned(rollout(percents=(20, 100), thresholds=JUDGED, soak_s=3600))
    state, _ = turned(state, answering(state))
    state, _ = step(state, Observed(outcomes={0: outcomes([(8, 8)] * 4, [(8, 8)] * 6)}), START_NS)
    soon = outcomes([(8, 44)] * 4, [(8, 8)] * 6, of=450)
    state, _ = step(state, Observed(outcomes={0: soon}), START_NS)
    shift = state.watches[0].shifts[0]
    assert (state.state, shift.verdict, shift.changed.after.count) == (
        RolloutState.RUNNING, Verdict.NOT_WORSE, 176,
    )  # fmt: skip


ANSWERS = st.sampled_from(
    [
        APPLIED,
        REFUSED,
        ROLLED_BACK,
        WAITING,
        Seen(),
        Seen(DesiredResult.APPLIED, failing=True),
        Seen(silent=True),
        Seen(gone=True),
    ]
)
PEOPLE: dict[str, Callable[[Rollout], Rollout | NotAllowed]] = {
    "pause": lambda state: pause(state, "operator ana"),
    "resume": lambda state: resume(state, "operator ana"),
    "cancel": lambda state: cancel(state, "operator ana", START_NS, take_back=True),
}


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=4),
    st.integers(5, 40),
    st.integers(1, 40),
    st.integers(0, 100),
    st.integers(0, 100),
    st.lists(
        st.tuples(st.lists(ANSWERS, min_size=1, max_size=8), st.sampled_from(["", "", "", *PEOPLE])),
        max_size=25,
    ),
)
def test_whatever_happens_it_stays_within_its_rings_and_its_thresholds(
    percents: list[int],
    devices: int,
    min_devices: int,
    success_percent: int,
    error_percent: int,
    turns: list[tuple[list[Seen], str]],
) -> None:
    terms = Thresholds(min_devices, success_percent, error_percent, 0, 0, 0)
    state = rollout(devices, (*percents, 100), terms) if fits(devices, (*percents, 100)) else rollout(devices)
    sizes = [sum(1 for _ in state.of_ring(ring)) for ring in range(len(state.rings))]
    now_ns, left = START_NS, devices
    for ring, size in zip(state.rings, sizes, strict=True):
        assert size <= max(1, left * ring.percent // 100)
        left -= size
    for answers, said in turns:
        now_ns += HOUR_NS
        before = state
        if said and isinstance(moved := PEOPLE[said](state), Rollout):
            state = moved
        resumed = said == "resume"
        seen = {each.device_id: answers[index % len(answers)] for index, each in enumerate(told(state))}
        state, acts = turned(state, seen, now_ns)

        # Nobody of a ring that has not begun is told anything.
        assert all(each.standing is Standing.PENDING for each in state.members if each.ring > state.ring)
        tells = {act.device_id for act in acts if isinstance(act, Tell)}
        assert all(each.ring == state.ring for each in state.members if each.device_id in tells)
        # Only a running rollout tells, and a stop is left by a person alone.
        assert not tells or state.state is RolloutState.RUNNING
        if before.state in (RolloutState.STOPPED, RolloutState.PAUSED) and not resumed:
            assert state.state in (before.state, RolloutState.CANCELLED)
        # A ring is left with enough answers, enough of them good, and not too many errors.
        for number in range(before.ring, state.ring):
            counted = [each for each in state.of_ring(number) if not each.gone and not each.set_aside]
            answered = [each for each in counted if each.answered]
            errors = [each for each in counted if each.in_error]
            good = [each for each in answered if each.standing is Standing.APPLIED and not each.in_error]
            assert len(answered) >= min(min_devices, len(counted))
            assert len(good) * 100 >= success_percent * len(answered)
            assert len(errors) * 100 <= error_percent * len(counted)
        assert turned(state, None, now_ns)[0].state is state.state


def fits(devices: int, percents: tuple[int, ...]) -> bool:
    rings = [Ring(f"ring-{number}", "", percent, 0) for number, percent in enumerate(percents)]
    return not isinstance(draw("tries", sites_of(devices), rings, lambda _: frozenset()), RingsRefused)


def sites_of(devices: int) -> dict[str, str]:
    return {f"desk-{number:02}": f"site-{number // 2}" for number in range(devices)}


def test_the_draw_depends_on_names_alone_and_differs_between_rollouts() -> None:
    def first_ring(name: str) -> set[str]:
        return {member.device_id for member in rollout(40, name=name).of_ring(0)}

    assert first_ring("tries") == first_ring("tries")
    assert first_ring("tries") != first_ring("models")


def test_rings_by_filter_take_what_is_left_and_rings_that_do_not_add_up_are_refused() -> None:
    devices = sites_of(10)
    early = frozenset({"desk-01", "desk-02"})
    by_filter = [Ring("early", "labels.ring = early", 100, 0), Ring("rest", "", 100, 0)]
    members = draw("tries", devices, by_filter, lambda _: early)
    assert not isinstance(members, RingsRefused)
    assert {each.device_id for each in members if each.ring == 0} == early
    assert members[0] == Member("desk-00", "site-0", 1)

    again = [*by_filter[:1], Ring("again", "labels.ring = early", 50, 0), by_filter[1]]
    nobody = draw("tries", devices, again, lambda _: early)
    assert isinstance(nobody, RingsRefused)
    assert nobody.field == "rollout.rings[1].filter"
    some = draw("tries", devices, [Ring("some", "", 50, 0)], lambda _: early)
    assert isinstance(some, RingsRefused)
    assert some.why.startswith("the rings leave 5 of 10 devices out (")


def test_the_diagram_in_the_documentation_is_that_of_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text()
    assert diagram() in page, "run: python -m aggregator.fleet.rollout_diagram docs/rollouts.md"
    ends = {RolloutState.DONE, RolloutState.CANCELLED}
    assert not any(state in ends for state, _ in TRANSITIONS)
    assert {why for _, why in TRANSITIONS if why in BY_PEOPLE} == set(BY_PEOPLE)
