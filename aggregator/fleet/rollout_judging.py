"""What a rollout's thresholds say: why it cannot go on yet, or has to stop, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from aggregator.fleet.canary import Rate, Shift, Verdict
from aggregator.fleet.rollout import Rollout, Standing, Thresholds, Watch


def unmet(rollout: Rollout, now_ns: int) -> str:
    """Return why the ring under way cannot be left yet, one sentence; empty when it can."""
    ring, terms = rollout.rings[rollout.ring], rollout.thresholds
    counted = [each for each in rollout.of_ring(rollout.ring) if not each.gone and not each.set_aside]
    pending = sum(each.standing is Standing.PENDING for each in counted)
    answered = [each for each in counted if each.answered]
    if pending:
        return f"ring {ring.name}: {pending} devices are still to be told"
    if (lacking := min(terms.min_devices, len(counted)) - len(answered)) > 0:
        return f"ring {ring.name}: waits for the answers of {lacking} more devices"
    # There is nobody after the last ring who would show what goes wrong in it.
    if rollout.ring == len(rollout.rings) - 1:
        expected = sum(each.standing is Standing.TOLD and not each.silent for each in counted)
        if expected:
            return f"ring {ring.name}: waits for the answers of {expected} more devices"
    good = sum(each.standing is Standing.APPLIED and not each.in_error for each in answered)
    if good * 100 < terms.success_percent * len(answered):
        return (
            f"ring {ring.name}: {good} of {len(answered)} devices took it up well, "
            f"{terms.success_percent} % are needed: see to them, or pause and decide"
        )
    if waits := _waits_for_people(rollout):
        return f"ring {ring.name}: {waits}"
    last_ns = max((each.answered_ns or 0 for each in answered), default=0)
    watched_until_ns = last_ns + ring.soak_s * 1_000_000_000
    if answered and now_ns < watched_until_ns:
        return f"ring {ring.name}: watched until {_moment(watched_until_ns)}"
    return ""


def too_many_errors(rollout: Rollout) -> str:
    """Return what went wrong in a ring, where that is more than is borne; empty otherwise."""
    for number in range(rollout.ring + 1):
        counted = [each for each in rollout.of_ring(number) if not each.gone and not each.set_aside]
        errors = [each for each in counted if each.in_error]
        if len(errors) * 100 > rollout.thresholds.error_percent * len(counted):
            first = errors[0]
            said = f", {first.device_id} first: {first.reason or 'people cannot be served there since'}"
            return f"ring {rollout.rings[number].name}: {len(errors)} of {len(counted)} devices{said}"
    return ""


def worse_for_people(rollout: Rollout) -> str:
    """Return what got worse for people by the change, empty for nothing."""
    for ring, watch in zip(rollout.rings, rollout.watches, strict=True):
        for shift in _judged(rollout.thresholds, watch):
            if shift.verdict is Verdict.WORSE:
                return f"ring {ring.name}: {_in_words(shift)}"
    return ""


def _judged(terms: Thresholds, watch: Watch) -> Iterator[Shift]:
    """Yield the shifts that may stop the rollout."""
    points = {
        Rate.FAILURE_TO_ACQUIRE: terms.failure_to_acquire_points,
        Rate.NO_MATCH: terms.no_match_points,
    }
    return (shift for shift in watch.shifts if not watch.waived and points[shift.rate] > 0)


def _in_words(shift: Shift) -> str:
    before, after = shift.changed.before.rate * 100, shift.changed.after.rate * 100
    others = ""
    if shift.excess is not None:
        others = f", {shift.excess.value * 100:.1f} points more than at devices that have not changed"
    return f"{shift.rate.value} rose from {before:.1f} % to {after:.1f} % of check-ins{others}"


def _waits_for_people(rollout: Rollout) -> str:
    """Return which check-ins the ring under way waits for, empty for none."""
    watch, terms = rollout.watches[rollout.ring], rollout.thresholds
    if watch.waived or not terms.judges_people:
        return ""
    if all(each.gone or each.set_aside for each in rollout.of_ring(rollout.ring)):
        return ""
    seen = max((round(shift.changed.after.of) for shift in watch.shifts), default=0)
    if (lacking := terms.min_check_ins - seen) > 0:
        return f"waits for {lacking} more check-ins at changed devices"
    if terms.min_check_ins and any(shift.verdict is Verdict.TOO_FEW for shift in _judged(terms, watch)):
        return "looks worse for people, and waits for check-ins at more devices to be sure"
    return ""


def _moment(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
