"""The session under way: who is served since when, on which check-ins it rests, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from firmware.clock import random_id
from firmware.records import Moment
from firmware.workflow.effects import Conclude, KeepDecision
from firmware.workflow.kept import Conclusion, HandOver, OpenSession
from trust.service import Answer, Workflow


@dataclass(slots=True)
class Session:
    """One person's session. began: the greeting. claimed: the household that is claimed for this desk.

    claim_ends_ns: when that is over, in monotonic time. rounds: how many 1:1 comparisons were made.
    """

    workflow: Workflow
    began: Moment
    operator: str
    session_id: bytes
    check_ins: tuple[bytes, ...] = ()
    claimed: str = ""
    claim_ends_ns: int = 0
    rounds: int = 0

    @classmethod
    def begin(cls, workflow: Workflow, now: Moment, operator: str) -> Session:
        """Greet somebody."""
        return cls(workflow, now, operator, random_id())

    @classmethod
    def resume(cls, kept: OpenSession) -> Session:
        """Take up what a power cut left open."""
        claimed = kept.hand_over.household if kept.hand_over is not None else ""
        return cls(kept.workflow, kept.began, kept.operator, kept.session_id, kept.check_ins, claimed)

    def kept(self) -> OpenSession:
        """Return the session as the store keeps it from the greeting on."""
        return OpenSession(
            session_id=self.session_id,
            workflow=self.workflow,
            began=self.began,
            operator=self.operator,
            check_ins=self.check_ins,
            number=self.claimed,
        )

    def decided(self, decision: KeepDecision, now: Moment, for_s: float) -> OpenSession:
        """Return the session as the store keeps it once it is decided to give, with a claim of `for_s`."""
        hand_over = HandOver(
            household=decision.number,
            basis=decision.basis,
            reason=decision.reason,
            supervisor=decision.supervisor,
            countersigned_by=decision.countersigned_by,
            decided=now,
            for_s=for_s,
            owner_desk=decision.owner_desk,
        )
        return msgspec.structs.replace(
            self.kept(), declined=decision.declined, number=decision.number, hand_over=hand_over
        )

    def conclusion(self, effect: Conclude, now: Moment) -> Conclusion:
        """Return the end of the session as the store writes it down."""
        same_boot = now.boot_id == self.began.boot_id
        return Conclusion(
            session_id=self.session_id,
            workflow=self.workflow,
            answer=effect.answer,
            basis=effect.basis,
            reason=effect.reason,
            number=effect.number,
            check_ins=self.check_ins,
            duration_ns=now.monotonic_ns - self.began.monotonic_ns if same_boot else 0,
            declined=effect.declined,
            operator=self.operator,
            supervisor=effect.supervisor,
            # The second of two people, where the record would not name it otherwise.
            countersigned_by="" if effect.countersigned_by == self.operator else effect.countersigned_by,
        )


def cut_short(kept: OpenSession) -> Conclusion:
    """Return the end of a session that a power cut left open: nothing was handed over, as far as is known.

    Its duration is not known and counts as 0.
    """
    return Conclusion(
        session_id=kept.session_id,
        workflow=kept.workflow,
        answer=Answer.NOT_GIVEN if kept.hand_over is not None else Answer.PERSON,
        number=kept.number,
        check_ins=kept.check_ins,
        declined=kept.declined,
        operator=kept.operator,
    )
