"""The opening and the close of the day in sentences, for the command and the page."""

from __future__ import annotations

from firmware.day.day import ClosedBefore, Closing, Opening


def opening_lines(opening: Opening) -> list[str]:
    """Return the opening of the day in sentences."""
    checked = "" if opening.clock_checked else " (nobody has checked this clock: look at it)"
    lines = [f"Today is {opening.today:%A, %d %B %Y}{checked}."]
    for part in opening.parts:
        state = {True: "well", False: part.advice, None: "not fitted"}[part.well]
        lines.append(f"{part.part}: {state}")
    if opening.loaded is None:
        lines.append(f"{opening.gallery} entries in the gallery.")
    else:
        head = opening.loaded
        lines.append(
            f"List: {head.workflow.value}, {head.cycle}, {head.entries} entries; "
            f"{opening.searched} of {opening.gallery} in the gallery are searched."
        )
    for source, people in opening.one_wrong_per.items():
        lines.append(
            f"By {source} alone, expect one wrong suggestion per {people:,} strangers."
            if people
            else f"By {source} alone nobody is suggested among so many: more evidence is asked for."
        )
    if opening.token_digit is not None:
        digit = opening.token_digit
        lines.append(f"Visit tokens of this appliance: {digit}000 to {digit}999; each other one has its own.")
    lines += opening.list_advice
    if opening.registration_stopped:
        lines.append(f"{opening.registration_stopped.capitalize()}.")
    lines.append("The day is open." if opening.ready else "The day is open; something needs care.")
    return lines


def closing_lines(closing: Closing | ClosedBefore) -> list[str]:
    """Return the close of the day in sentences."""
    if isinstance(closing, ClosedBefore):
        return ["The day was closed before, and nothing came since: nothing was done."]
    lines = []
    if closing.seal:
        lines.append(f"Ledger sealed: {closing.seal.hex()}")
    if (receipt := closing.receipt) is not None:
        lines.append(f"List erased: {receipt.entries} entries, receipt {receipt.digest.hex()}")
    elif closing.stays_unchecked:
        lines.append(
            "Nobody has checked this clock, so the list stays: if this was the last day of the cycle, say so "
            "(`aidpost day close --ends-cycle`, or on the page)."
        )
    elif closing.seal:
        lines.append("The list stays until the last day of the cycle.")
    if closing.left:
        lines.append(f"{closing.left} records wait for the aggregator; they are sent when it is reached.")
    lines.append("The day is closed. Its report stays here until the next day is closed.")
    return lines
