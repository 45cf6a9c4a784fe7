"""Finds, claims, gives and releases households for the workflow, through whoever owns them."""

from __future__ import annotations

from dataclasses import replace

from firmware.clock import surely_passed_s
from firmware.workflow.distribution_states import CLAIM_S
from firmware.workflow.effects import Conclude, KeepDecision
from firmware.workflow.events import (
    DecisionKept,
    Event,
    HouseholdFound,
    NoListLoaded,
    NotOnList,
    Resumed,
)
from firmware.workflow.kept import OpenSession
from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted, OwnerSilent, Standing
from firmware.workflow.parts import Parts
from firmware.workflow.session import Session
from trust.service import Answer, Workflow

FIRST_CLAIM_S = 1.5 * CLAIM_S
"""The claim from the card on: who is verified within half of `CLAIM_S` needs no other word of the owner."""


class Households:
    """The households' side of one appliance."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def find(self, value: str, session: Session) -> Event:
        """Read the card, look the household up and claim it."""
        read = self._parts.number(value, Workflow.DISTRIBUTION)
        if not isinstance(read, str):
            return await self._parts.unusable(read)
        household, has_list = await self._parts.in_work(lambda work: (work.household(read), work.has_list()))
        # As the list writes it: on the keypad there are capitals alone.
        number = read if household is None else household.number
        if session.claimed not in ("", number):
            await self.release(session)
        if household is None:
            return NotOnList(number) if has_list else NoListLoaded(number)
        standing = await self._claim(number, FIRST_CLAIM_S, session)
        return await self._found(number, standing)

    async def keep(self, decision: KeepDecision, session: Session) -> Event:
        """Keep the decision to give for `CLAIM_S`, with the claim renewed where it is shorter than that."""
        now, silent_desk = self._parts.now(), decision.owner_desk
        if session.claim_ends_ns - now.monotonic_ns < CLAIM_S * 1e9:
            standing = await self._claim(decision.number, CLAIM_S, session)
            if not await self._may_be_given(standing):
                return await self._found(decision.number, standing)
            silent_desk = silent_desk or _silent_desk(standing)
        kept = session.decided(replace(decision, owner_desk=silent_desk), now, CLAIM_S)
        await self._parts.in_work(lambda work: work.keep_open(kept))
        return DecisionKept(silent_desk, self._parts.ownership.connected().worst_case)

    async def resume(self, kept: OpenSession, session: Session) -> Event | None:
        """Take up a hand-over that a power cut interrupted; None where nothing was decided.

        Where its claim is over, or is another's, staff say whether it was given before that.
        HouseholdFound where its owner is silent now, and nothing is left of the loss cap: a person decides.
        """
        hand_over = kept.hand_over
        if hand_over is None:
            return None
        left_s = hand_over.for_s - surely_passed_s(hand_over.decided, self._parts.now())
        silent_desk = hand_over.owner_desk
        if left_s > 0:
            standing = await self._claim(hand_over.household, left_s, session)
            if isinstance(standing, AlreadyGiven | ClaimedElsewhere):
                left_s = 0.0
            elif not await self._may_be_given(standing):
                return await self._found(hand_over.household, standing)
            silent_desk = silent_desk or _silent_desk(standing)
        household = await self._parts.in_work(lambda work: work.household(hand_over.household))
        return Resumed(
            hand_over.household,
            household,
            hand_over.basis,
            hand_over.reason,
            hand_over.supervisor,
            kept.declined,
            max(0.0, left_s),
            silent_desk,
            self._parts.ownership.connected().worst_case,
            hand_over.countersigned_by,
        )

    async def settle(self, effect: Conclude, session: Session) -> None:
        """After the record: tell the owner that it collected, or give the claim back."""
        if effect.answer is Answer.GIVEN:
            session.claimed = ""
            await self._parts.ownership.given(effect.number)
        elif session.claimed:
            await self.release(session)

    async def release(self, session: Session) -> None:
        """Give the claim back."""
        claimed, session.claimed = session.claimed, ""
        await self._parts.ownership.release(claimed)

    async def _claim(self, number: str, for_s: float, session: Session) -> Standing:
        asked_ns = self._parts.clock.monotonic_ns()  # before the owner's own count begins
        standing = await self._parts.ownership.claim(number, for_s)
        if isinstance(standing, Granted | OwnerSilent):
            session.claimed, session.claim_ends_ns = number, asked_ns + int(for_s * 1e9)
        return standing

    async def _may_be_given(self, standing: Standing) -> bool:
        """Tell whether the claim holds; without the owner's word, inside the signed loss cap alone."""
        match standing:
            case Granted():
                return True
            case OwnerSilent():
                return await self._parts.in_work(lambda work: work.exceptions_left()) > 0
            case _:
                return False

    async def _found(self, number: str, standing: Standing) -> Event:
        parts = self._parts
        household = await parts.in_work(lambda work: work.household(number))
        if household is None:
            return NotOnList(number)
        exceptions_left, help_desk = await parts.in_work(
            lambda work: (work.exceptions_left(), work.help_desk())
        )
        at_ns = standing.at_ns if isinstance(standing, AlreadyGiven) else None
        return HouseholdFound(
            household,
            standing,
            exceptions_left,
            parts.ownership.connected(),
            help_desk,
            None if at_ns is None else parts.local(at_ns),
        )


def _silent_desk(standing: Standing) -> str:
    return standing.desk if isinstance(standing, OwnerSilent) else ""
