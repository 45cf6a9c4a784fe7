"""How often one claim may fail in a row: `step(state, event) -> (state, what is left)`, pure.

An attempt is one check-in against the claim. What it compares is fused into one decision at the policy's
false match rate, whatever the number of samples; so it is the check-in that counts, not each of its samples.
A check-in that gave no usable sample is none. After `MOST_IN_A_ROW` failures each further one has to wait
(NIST SP 800-63B, use of biometrics: at least 30 s after the fifth failure in a row). A match starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from firmware.clock import surely_passed_s
from firmware.records import Attempts, Moment

MOST_IN_A_ROW = 5
DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants to check in under the claim."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Failed:
    """A check-in under the claim ended without a match."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Matched:
    """A check-in under the claim ended with a match."""


Event: TypeAlias = Asked | Failed | Matched


@dataclass(frozen=True, slots=True)
class Standing:
    """tries_left: before the next wait; wait_s: seconds until the next try is possible, 0 for at once."""

    tries_left: int
    wait_s: float


def step(state: Attempts, event: Event) -> tuple[Attempts, Standing]:
    """Return the next state, and what is left after the event."""
    match event:
        case Asked(moment):
            return state, _standing(state, moment)
        case Failed(moment):
            failed = Attempts(state.failed_in_a_row + 1, moment)
            return failed, _standing(failed, moment)
        case Matched():
            return Attempts(), Standing(MOST_IN_A_ROW, 0.0)
        case _:
            assert_never(event)


def _standing(state: Attempts, now: Moment) -> Standing:
    left = MOST_IN_A_ROW - state.failed_in_a_row
    if left > 0 or state.last is None:
        return Standing(left, 0.0)
    wait_s = max(0.0, DELAY_S - surely_passed_s(state.last, now))
    return Standing(0 if wait_s else 1, wait_s)
