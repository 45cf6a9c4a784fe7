"""What a rollout does next: pure, so that it can be tried with any past and any answers.

`step` is turned every few seconds, and its result is written down together with its acts: what it decided has
happened, or has not, also across a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from aggregator.fleet.canary import Rate, RingOutcomes, Verdict, is_due, judge
from aggregator.fleet.rollout import (
    ANSWERED,
    BY_PEOPLE,
    TRANSITIONS,
    Member,
    Occurrence,
    Rollout,
    RolloutState,
    Standing,
    Watch,
)
from aggregator.fleet.rollout_judging import too_many_errors, unmet, worse_for_people
from trust.state import DesiredResult

TELL_AT_ONCE = 200
"""Devices told, or told otherwise again, in one turn: events wait for its transaction."""

_STANDINGS = {
    DesiredResult.APPLIED: Standing.APPLIED,
    DesiredResult.REFUSED: Standing.REFUSED,
    DesiredResult.ROLLED_BACK: Standing.ROLLED_BACK,
}

# Who refused may think better of it, as after somebody made room on its disk; who took it up has answered.
_MAY_ANSWER = (Standing.TOLD, Standing.REFUSED, Standing.ROLLED_BACK)


class Seen(msgspec.Struct, frozen=True):
    """One device as it is now; answer: what it made of the newest desired state, None while it is not known.

    A device whose answer cannot be believed is seen as one that refused, with why as the reason. problem: why
    it is failing.
    """

    answer: DesiredResult | None = None
    reason: str = ""
    failing: bool = False
    problem: str = ""
    silent: bool = False
    gone: bool = False


class Observed(msgspec.Struct, frozen=True):
    """What there is to see in one turn; a device that is not named is as it was.

    outcomes: what happened to people, by ring; a ring that is not named was not looked at.
    """

    devices: Mapping[str, Seen] = {}
    outcomes: Mapping[int, RingOutcomes] = {}


class Tell(msgspec.Struct, frozen=True):
    """Desire the change of this device."""

    device_id: str


class Restore(msgspec.Struct, frozen=True):
    """Desire again of this device what was desired before it was told."""

    device_id: str


Act: TypeAlias = Tell | Restore


class NotAllowed(msgspec.Struct, frozen=True):
    """The state does not allow it; why: one sentence that says what can be done."""

    why: str


def step(rollout: Rollout, observed: Observed, now_ns: int) -> tuple[Rollout, tuple[Act, ...]]:
    """Take in what was seen and say what to do; the same again without anything new does nothing."""
    rollout = _taken_in(rollout, observed, now_ns)
    match rollout.state:
        case RolloutState.RUNNING:
            return _go_on(rollout, now_ns)
        case RolloutState.STOPPED:
            # Who has the change before it and has not taken it up yet is not to do so.
            return _restored(rollout, frozenset({Standing.TOLD}), Standing.PENDING)
        case RolloutState.CANCELLED:
            return _restored(rollout, _to_take_back(rollout), Standing.TAKEN_BACK)
        case RolloutState.PAUSED | RolloutState.DONE:
            return rollout, ()


def awaits(rollout: Rollout) -> bool:
    """Tell whether a turn may still change anything."""
    match rollout.state:
        case RolloutState.RUNNING | RolloutState.PAUSED | RolloutState.STOPPED:
            return True
        case RolloutState.CANCELLED:
            whose = _to_take_back(rollout)
            return any(each.standing in whose for each in rollout.members)
        case RolloutState.DONE:  # who was silent at its end may be back
            return any(each.standing is Standing.TOLD and not each.gone for each in rollout.members)


def pause(rollout: Rollout, actor: str) -> Rollout | NotAllowed:
    """Tell nobody new until somebody resumes it; who was told goes on."""
    return _moved(rollout, Occurrence.PAUSE, f"paused by {actor}")


def resume(rollout: Rollout, actor: str) -> Rollout | NotAllowed:
    """Go on. After a stop the errors so far, and what was seen at the rings so far, count no more."""
    moved = _moved(rollout, Occurrence.RESUME, f"resumed by {actor}")
    if isinstance(moved, NotAllowed) or rollout.state is not RolloutState.STOPPED:
        return moved
    return replace(
        moved,
        members=tuple(replace(each, set_aside=True) if each.in_error else each for each in moved.members),
        watches=tuple(
            replace(watch, waived=watch.waived or watch.began_ns is not None) for watch in moved.watches
        ),
    )


def cancel(rollout: Rollout, actor: str, now_ns: int, *, take_back: bool) -> Rollout | NotAllowed:
    """End it: who has not taken the change up is to do so no more.

    take_back: desire again what was desired before of those, too, that have.
    """
    what = "what changed is taken back" if take_back else "what changed stays"
    moved = _moved(rollout, Occurrence.CANCEL, f"cancelled by {actor}; {what}")
    if isinstance(moved, NotAllowed):
        return moved
    return replace(moved, take_back=take_back, finished_ns=now_ns)


def _go_on(rollout: Rollout, now_ns: int) -> tuple[Rollout, tuple[Act, ...]]:
    rollout = _begun(rollout, now_ns)
    if why := too_many_errors(rollout):
        return _stopped(rollout, Occurrence.TOO_MANY_ERRORS, why)
    if why := worse_for_people(rollout):
        return _stopped(rollout, Occurrence.WORSE_FOR_PEOPLE, why)
    if not (waits := unmet(rollout, now_ns)):
        watch = replace(rollout.watches[rollout.ring], ended_ns=now_ns)
        rollout = replace(rollout, watches=_with(rollout.watches, rollout.ring, watch))
        if rollout.ring == len(rollout.rings) - 1:
            return replace(_ended(rollout), finished_ns=now_ns), ()
        rollout = replace(_must_move(rollout, Occurrence.RING_PASSED, ""), ring=rollout.ring + 1)
        return _go_on(rollout, now_ns)
    rollout, acts = _told(rollout, now_ns)
    return replace(rollout, reason=unmet(rollout, now_ns) or waits), acts


def _told(rollout: Rollout, now_ns: int) -> tuple[Rollout, tuple[Act, ...]]:
    due = [
        each for each in rollout.of_ring(rollout.ring) if each.standing is Standing.PENDING and not each.gone
    ][:TELL_AT_ONCE]
    told = {
        each.device_id: replace(
            each,
            standing=Standing.TOLD,
            told_ns=now_ns,
            failing_before=each.failing,
            reason="",
            waiting=False,
        )
        for each in due
    }
    return _with_members(rollout, told), tuple(Tell(device_id) for device_id in told)


def _restored(
    rollout: Rollout, whose: frozenset[Standing], becomes: Standing
) -> tuple[Rollout, tuple[Act, ...]]:
    due = [each for each in rollout.members if each.standing in whose][:TELL_AT_ONCE]
    restored = {each.device_id: replace(each, standing=becomes, waiting=False) for each in due}
    return _with_members(rollout, restored), tuple(Restore(device_id) for device_id in restored)


def _to_take_back(rollout: Rollout) -> frozenset[Standing]:
    return frozenset({Standing.TOLD, *(ANSWERED if rollout.take_back else ())})


def _taken_in(rollout: Rollout, observed: Observed, now_ns: int) -> Rollout:
    heard = {
        each.device_id: member
        for each in rollout.members
        if (seen := observed.devices.get(each.device_id)) is not None
        and (member := _heard(each, seen, now_ns)) != each
    }
    watches = rollout.watches
    for ring, outcomes in observed.outcomes.items():
        if watches[ring].began_ns is not None:
            watches = _with(watches, ring, _looked(rollout, watches[ring], outcomes))
    return replace(_with_members(rollout, heard), watches=watches)


def _heard(member: Member, seen: Seen, now_ns: int) -> Member:
    member = replace(member, failing=seen.failing, silent=seen.silent, gone=seen.gone)
    if member.standing is Standing.APPLIED:
        member = replace(member, reason=seen.problem)
    if member.standing not in _MAY_ANSWER or seen.answer is None:
        return member
    if seen.answer is DesiredResult.WAITING:
        return replace(member, waiting=member.standing is Standing.TOLD)
    standing = _STANDINGS[seen.answer]
    if standing is member.standing:
        return member
    reason = "" if standing is Standing.APPLIED else seen.reason
    return replace(member, standing=standing, reason=reason, answered_ns=now_ns, waiting=False)


def _looked(rollout: Rollout, watch: Watch, outcomes: RingOutcomes) -> Watch:
    """Count anew, and judge anew where there are enough more check-ins than at the last time."""
    terms = rollout.thresholds
    shifts = (
        judge(outcomes, Rate.FAILURE_TO_ACQUIRE, terms.failure_to_acquire_points, terms.min_check_ins),
        judge(outcomes, Rate.NO_MATCH, terms.no_match_points, terms.min_check_ins),
    )
    check_ins = sum(each.after.presented for each in outcomes.changed)
    if is_due(watch.looked_at, check_ins, terms.min_check_ins):
        return replace(watch, shifts=shifts, looked_at=check_ins)
    verdicts = {shift.rate: shift.verdict for shift in watch.shifts}
    kept = (replace(each, verdict=verdicts.get(each.rate, Verdict.TOO_FEW)) for each in shifts)
    return replace(watch, shifts=tuple(kept))


def _begun(rollout: Rollout, now_ns: int) -> Rollout:
    watch = rollout.watches[rollout.ring]
    if watch.began_ns is not None:
        return rollout
    return replace(rollout, watches=_with(rollout.watches, rollout.ring, replace(watch, began_ns=now_ns)))


def _stopped(rollout: Rollout, why: Occurrence, reason: str) -> tuple[Rollout, tuple[Act, ...]]:
    stopped = _must_move(rollout, why, f"stopped: {reason}")
    return _restored(stopped, frozenset({Standing.TOLD}), Standing.PENDING)


def _ended(rollout: Rollout) -> Rollout:
    silent = sum(each.standing is Standing.TOLD and not each.gone for each in rollout.members)
    later = f"; {silent} devices are silent and take it up when they are back" if silent else ""
    return _must_move(rollout, Occurrence.LAST_RING_PASSED, f"all rings passed{later}")


def _moved(rollout: Rollout, occurrence: Occurrence, reason: str) -> Rollout | NotAllowed:
    becomes = TRANSITIONS.get((rollout.state, occurrence))
    if becomes is None:
        allowed = [how for each, how in BY_PEOPLE.items() if (rollout.state, each) in TRANSITIONS]
        can = f"it can be {' or '.join(allowed)}" if allowed else "make a new one"
        asked = BY_PEOPLE.get(occurrence, occurrence.value)
        return NotAllowed(f"rollout {rollout.name} is {rollout.state.value} and cannot be {asked}: {can}")
    return replace(rollout, state=becomes, reason=reason)


def _must_move(rollout: Rollout, occurrence: Occurrence, reason: str) -> Rollout:
    moved = _moved(rollout, occurrence, reason)
    if isinstance(moved, NotAllowed):
        raise AssertionError(moved.why)  # the table lists what the engine does by itself
    return moved


def _with(watches: tuple[Watch, ...], ring: int, watch: Watch) -> tuple[Watch, ...]:
    return (*watches[:ring], watch, *watches[ring + 1 :])


def _with_members(rollout: Rollout, new: Mapping[str, Member]) -> Rollout:
    if not new:
        return rollout
    return replace(rollout, members=tuple(new.get(each.device_id, each) for each in rollout.members))
