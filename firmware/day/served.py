"""What the report counts of each person served: no id, no number, nothing that leads to anybody."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, unique

import msgspec

from firmware.records import CheckIn, Mode, Moment, Outcome
from trust.service import Answer, Basis, Reason, Workflow


@unique
class Attempt(Enum):
    """What came of finger and face for the person who came, before staff decided.

    NOT_SUPPORTED: compared, and the comparison did not support the claim. NOT_FOUND: looked for (1:few), and
    nobody was confirmed. NO_SAMPLE: nothing usable in the tries allowed. BROKEN_OFF: the person or staff went
    on without, or a part was not available.
    """

    NONE = "none"
    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NOT_FOUND = "not found"
    NO_SAMPLE = "no usable sample"
    BROKEN_OFF = "broken off"


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One person who left with an answer.

    moment: of the answer. duration_ns: from the greeting. on_list: the number is on the list.
    some_unregistered: somebody who may collect for the household has no templates here, and so the comparison
    cannot tell whether it was them who came.
    """

    moment: Moment
    workflow: Workflow
    answer: Answer
    basis: Basis | None
    reason: Reason | None
    attempt: Attempt
    declined: bool
    cohort: str
    duration_ns: int
    operator: str
    supervisor: str
    on_list: bool = False
    owner_silent: bool = False
    countersigned_by: str = ""
    some_unregistered: bool = False


_MOST_TELLING_FIRST = (
    Attempt.SUPPORTED,
    Attempt.NOT_SUPPORTED,
    Attempt.NO_SAMPLE,
    Attempt.NOT_FOUND,
    Attempt.BROKEN_OFF,
)


def attempt_of(check_ins: Iterable[CheckIn], basis: Basis | None) -> Attempt:
    """Return what came of the check-ins of one session, in order.

    An alternate is another person: a match of theirs says nothing of the collector who was tried before.
    """
    outcomes = [_attempt(check_in) for check_in in check_ins]
    if basis is Basis.ALTERNATE and any(outcome is not Attempt.SUPPORTED for outcome in outcomes):
        outcomes = [outcome for outcome in outcomes if outcome is not Attempt.SUPPORTED]
    for attempt in _MOST_TELLING_FIRST:
        if attempt in outcomes:
            return attempt
    return Attempt.NONE


def _attempt(check_in: CheckIn) -> Attempt:
    match check_in.outcome:
        case Outcome.MATCH:
            return Attempt.SUPPORTED
        case Outcome.SUGGESTION:
            return Attempt.SUPPORTED if check_in.confirmed else Attempt.NOT_FOUND
        case Outcome.NO_MATCH:
            return Attempt.NOT_SUPPORTED if check_in.mode is Mode.VERIFY else Attempt.NOT_FOUND
        case Outcome.RETRY:
            return Attempt.NO_SAMPLE
        case Outcome.UNAVAILABLE:
            return Attempt.BROKEN_OFF
