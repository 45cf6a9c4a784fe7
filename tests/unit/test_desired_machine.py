"""The machine that takes up desired states, walked through: it always ends in the old or in the new."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.desired.machine import (
    MAX_STARTS,
    Arrived,
    Event,
    Examined,
    NotInstalled,
    Quiet,
    SelfTested,
    Started,
    Unusable,
    step,
)
from firmware.desired.terms import InUse, Phase, Standing
from trust.state import Artifact, ArtifactKind, DesiredResult, DesiredState, Refusal, ServiceWindow

BAD = (Refusal("settings.session.tries", "no"),)
POINT = Artifact(ArtifactKind.OPERATING_POINT, "field", "ab" * 32, 10)


def desired(generation: int, tries: int = 2, *artifacts: Artifact) -> DesiredState:
    return DesiredState(generation, {"session.tries": str(tries)}, artifacts)


def after(*events: Event, standing: Standing | None = None) -> Standing:
    standing = standing or Standing()
    for event in events:
        standing = step(standing, event)
    return standing


TO_TEST = (Examined(), Quiet(("camera",)), Started())


def test_one_is_taken_up_step_by_step_and_in_use_only_after_its_self_test() -> None:
    standing = Standing()
    for event, phase in (
        (Arrived(desired(1)), Phase.FETCHING),
        (Examined(), Phase.AWAITING_QUIET),
        (Quiet(("camera",)), Phase.APPLYING),
        (Started(), Phase.SELF_TESTING),
    ):
        assert standing.to_use is None
        standing = step(standing, event)
        assert standing.under_way is not None
        assert standing.under_way.phase is phase
        assert standing.in_use is None
    assert standing.to_use is not None
    standing = step(standing, SelfTested())
    assert standing.under_way is None
    assert standing.in_use == InUse(desired(1).digest(), {"session.tries": "2"}, ())
    assert standing.decision is not None
    assert standing.decision.result is DesiredResult.APPLIED


def test_a_refused_one_and_one_whose_self_test_failed_leave_what_was() -> None:
    first = after(Arrived(desired(1)), *TO_TEST, SelfTested())
    refused = after(Arrived(desired(2, 9), BAD), standing=first)
    rolled_back = after(Arrived(desired(2, 3)), *TO_TEST, SelfTested(BAD), standing=first)
    for standing, result in (
        (refused, DesiredResult.REFUSED),
        (rolled_back, DesiredResult.ROLLED_BACK),
    ):
        assert standing.in_use == standing.to_use == first.in_use
        assert standing.decision is not None
        assert (standing.decision.result, standing.decision.refusals) == (result, BAD)


def test_one_that_never_comes_up_is_taken_back_and_one_power_cut_is_not_held_against_it() -> None:
    tried = after(Arrived(desired(1)), *TO_TEST)
    again = after(Started(), standing=tried)
    assert again.to_use is not None
    assert again.under_way is not None
    assert again.under_way.starts == MAX_STARTS
    given_up = after(Started(), standing=again)
    assert given_up.to_use is None
    assert given_up.decision is not None
    assert given_up.decision.result is DesiredResult.ROLLED_BACK


def test_a_newer_one_replaces_what_is_fetched_and_follows_what_is_applied() -> None:
    fetching = after(Arrived(desired(1)), Arrived(desired(2)))
    assert fetching.under_way is not None
    assert fetching.under_way.desired.generation == 2
    applying = after(Arrived(desired(1)), *TO_TEST, Arrived(desired(2)), Arrived(desired(3)))
    assert applying.under_way is not None
    assert applying.under_way.desired.generation == 1
    assert applying.following == desired(3)
    then = after(SelfTested(), Arrived(desired(3)), standing=applying)
    assert then.following is None
    assert then.decision is not None
    assert then.decision.generation == 3  # it asks for what is in use by now


def test_another_window_of_the_site_counts_for_one_that_waits() -> None:
    night = ServiceWindow("Africa/Nairobi", 20 * 3600, 4 * 3600)
    moved = msgspec.structs.replace(desired(1), window=night)
    standing = after(Arrived(desired(1)), Examined(), Arrived(moved))
    assert standing.under_way is not None
    assert standing.under_way.phase is Phase.AWAITING_QUIET
    assert standing.under_way.desired.window == night
    other = msgspec.structs.replace(desired(1, 5), window=night)
    assert after(Arrived(other), standing=standing) == standing


def test_an_older_one_changes_nothing_and_the_same_again_starts_nothing() -> None:
    second = after(Arrived(desired(2)), *TO_TEST, SelfTested())
    assert after(Arrived(desired(1, 5)), Arrived(desired(2, 5)), standing=second) == second
    third = after(Arrived(desired(3)), standing=second)
    assert third.under_way is None
    assert third.decision is not None
    assert third.decision.generation == 3


def test_a_file_that_is_not_named_again_stays_and_a_setting_does_not() -> None:
    standing = after(Arrived(desired(1, 2, POINT)), *TO_TEST, SelfTested())
    standing = after(Arrived(DesiredState(2, {}, ())), *TO_TEST, SelfTested(), standing=standing)
    assert standing.in_use is not None
    assert standing.in_use.settings == {}
    assert standing.in_use.artifacts == (POINT,)
    assert standing.digests() == {POINT.digest}


EVENTS = st.one_of(
    st.builds(
        Arrived,
        st.builds(desired, st.integers(1, 6), st.integers(1, 3)),
        st.sampled_from([(), (), BAD]),
    ),
    st.builds(Examined, st.sampled_from([(), BAD])),
    st.just(Quiet(("camera",))),
    st.just(Started()),
    st.just(NotInstalled()),
    st.builds(SelfTested, st.sampled_from([(), BAD])),
    st.just(Unusable(BAD)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_whatever_happens_it_is_wholly_the_old_or_wholly_one_that_was_desired(events: list[Event]) -> None:
    standing = Standing()
    whole: set[str | None] = {None}
    for event in events:
        if isinstance(event, Arrived):
            whole.add(event.desired.digest())
        before, standing = standing, step(standing, event)
        used = standing.in_use
        assert (used.digest if used is not None else None) in whole
        if used is not None:
            assert used.digest == DesiredState(0, used.settings, used.artifacts).digest()
        # What is in use changes by a self-test that passed, or where nothing is to be changed, or not at all.
        if used != before.in_use and used is not None:
            assert event == SelfTested() or isinstance(event, Arrived)
        # It never hears of less, and a state that is being tried is decided before another is begun.
        assert standing.newest >= before.newest or isinstance(event, Unusable)
        way = before.under_way
        if way is not None and way.phase in (Phase.APPLYING, Phase.SELF_TESTING):
            assert standing.under_way is None or standing.under_way.desired == way.desired
