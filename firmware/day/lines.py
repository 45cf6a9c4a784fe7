"""The opening and the close of the day in sentences, for the command and the page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from firmware.day.day import ClosedBefore, Closing, Opening
from firmware.day.self_test import PartFinding

DIGITS_SHOWN = 16
"""Of a digest's 64 on the page, enough to compare by eye; the command and the report have all."""


@unique
class Outcome(Enum):
    """What came of it, before anything else is read."""

    OPEN = "The day is open."
    OPEN_WITH_CARE = "The day is open; something needs care."
    CLOSED = "The day is closed."
    CLOSED_BEFORE = "The day was closed before, and nothing came since: nothing was done."


@dataclass(frozen=True, slots=True)
class Told:
    """What staff are told: the outcome first. details: sentences, what needs care before the rest."""

    outcome: Outcome
    details: tuple[str, ...] = ()

    @property
    def needs_care(self) -> bool:
        """Whether something of it has to be looked after."""
        return self.outcome in (Outcome.OPEN_WITH_CARE, Outcome.CLOSED_BEFORE)

    @property
    def of_close(self) -> bool:
        """Whether it is about a close."""
        return self.outcome in (Outcome.CLOSED, Outcome.CLOSED_BEFORE)

    @property
    def lines(self) -> list[str]:
        """All of it, for the console."""
        return [self.outcome.value, *self.details]


def told_of_opening(opening: Opening) -> Told:
    """Return the opening of the day in sentences."""
    care = [*opening.list_advice]
    if opening.registration_stopped:
        care.append(f"{opening.registration_stopped.capitalize()}.")
    care += [_state(part) for part in opening.parts if part.well is False]
    checked = "" if opening.clock_checked else " (nobody has checked this clock: look at it)"
    lines = [f"Today is {opening.today:%A, %d %B %Y}{checked}."]
    lines += [_state(part) for part in opening.parts if part.well is not False]
    if opening.loaded is None:
        lines.append(f"{opening.gallery} entries in the gallery.")
    else:
        head = opening.loaded
        lines.append(
            f"List: {head.workflow.value}, {head.cycle}, {head.entries} entries; "
            f"{opening.searched} of {opening.gallery} in the gallery are searched."
        )
    for source, people in opening.one_wrong_per.items():
        kind, _, sensor = source.partition("/")
        alone = f"by {kind} alone" + (f" ({sensor})" if sensor else "")
        lines.append(
            f"Search {alone}: about 1 in {people:,} people who are not registered gets a wrong suggestion."
            if people
            else f"Search {alone}: nobody is suggested among so many people, more than that is asked for."
        )
    if opening.one_wrong_per:
        lines.append("Look at the person before you confirm a suggestion.")
    if opening.token_digit is not None:
        digit = opening.token_digit
        lines.append(f"Visit tokens of this appliance: {digit}000 to {digit}999; each other one has its own.")
    return Told(Outcome.OPEN if opening.ready else Outcome.OPEN_WITH_CARE, (*care, *lines))


def opening_lines(opening: Opening) -> list[str]:
    """Return the opening of the day in sentences, the outcome first."""
    return told_of_opening(opening).lines


def told_of_close(closing: Closing | ClosedBefore, digits: int = DIGITS_SHOWN) -> Told:
    """Return the close of the day in sentences. digits: how many are shown of a digest."""
    if isinstance(closing, ClosedBefore):
        return Told(Outcome.CLOSED_BEFORE)
    lines = []
    if closing.left:
        lines.append(f"{closing.left} records wait for the aggregator; they are sent when it is reached.")
    if closing.stays_unchecked:
        lines.append(
            "Nobody has checked this clock, so the list stays: if this was the last day of the cycle, say so "
            "(`aidpost day close --ends-cycle`, or on the page)."
        )
    elif (receipt := closing.receipt) is not None:
        lines.append(f"List erased: {receipt.entries} entries, receipt {_cut(receipt.digest, digits)}")
    elif closing.seal:
        lines.append("The list stays until the last day of the cycle.")
    if closing.seal:
        lines.append(f"Ledger sealed: {_cut(closing.seal, digits)}")
    lines.append("The report stays here until the next day is closed.")
    return Told(Outcome.CLOSED, tuple(lines))


def closing_lines(closing: Closing | ClosedBefore) -> list[str]:
    """Return the close of the day in sentences, the outcome first."""
    return told_of_close(closing, digits=64).lines


def _state(part: PartFinding) -> str:
    state = {True: "well", False: part.advice, None: "not fitted"}[part.well]
    return f"{part.part}: {state}"


def _cut(digest: bytes, digits: int) -> str:
    whole = digest.hex()
    return whole if len(whole) <= digits else f"{whole[:digits]}…"
