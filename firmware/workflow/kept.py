"""What the store keeps of the session under way, and what it is told at its end."""

from __future__ import annotations

import msgspec

from firmware.records import Moment
from trust.service import Answer, Basis, Reason, Workflow


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided and is not yet given; it outlives a power cut.

    decided: when. for_s: how long the claim goes on from then.
    owner_desk: of an owner that did not answer, so that it still counts in the loss cap; "" where it did.
    """

    household: str
    basis: Basis
    reason: Reason | None = None
    supervisor: str = ""
    countersigned_by: str = ""
    decided: Moment
    for_s: float
    owner_desk: str = ""


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """The one session under way, kept so that a power cut leaves nobody without a record.

    session_id: 16 random bytes, also the id of the record that ends it. operator: who held it.
    """

    session_id: bytes
    workflow: Workflow
    began: Moment
    operator: str = ""
    declined: bool = False
    check_ins: tuple[bytes, ...] = ()
    number: str = ""
    hand_over: HandOver | None = None


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended; the store makes the `Service` record of it.

    session_id: becomes its record_id. number: the card or case number, "" for none; the store turns that of a
    household into its digest and looks up cycle and cohort on the list. duration_ns: from greeting to answer.
    countersigned_by: who signed an exception with the supervisor, where that is not the operator.
    """

    session_id: bytes
    workflow: Workflow
    answer: Answer
    basis: Basis | None = None
    reason: Reason | None = None
    number: str = ""
    check_ins: tuple[bytes, ...] = ()
    duration_ns: int = 0
    declined: bool = False
    operator: str = ""
    supervisor: str = ""
    countersigned_by: str = ""
