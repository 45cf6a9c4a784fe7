"""The sheet of claim codes: one code for each new appliance, to be shown to its camera. Secret until used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib.units import mm

from firmware.cards.claim_code import to_code
from firmware.cards.drawing import draw_code
from firmware.cards.pages import Grid, to_pdf, write_fitted
from trust.claim_file import ClaimFile

_WIDTH, _HEIGHT = 94 * mm, 92 * mm
_CODE = 70 * mm
"""Modules of 1.1 mm for a usual claim: a camera that sees 640 pixels across reads it at 15 to 25 cm."""


def claim_sheet(claims: Sequence[ClaimFile]) -> bytes:
    """Return the PDF of a code for each claim, in this order."""
    return to_pdf(Grid(2, 3, _WIDTH, _HEIGHT), [_Claim(each).draw for each in claims], "Claim codes")


@dataclass(frozen=True, slots=True)
class _Claim:
    claim: ClaimFile

    def draw(self, page: Any, x: float, y: float) -> None:
        device, supervisor = self.claim.device, self.claim.supervisor
        draw_code(page, to_code(self.claim.to_text()), x + (_WIDTH - _CODE) / 2, y + 20 * mm, _CODE)
        until = f"{self.claim.aggregator.expires:%Y-%m-%d %H:%M} UTC"
        first = f"  First sign-in: {supervisor.name}, PIN {supervisor.pin}" if supervisor is not None else ""
        left, width = x + 4 * mm, _WIDTH - 8 * mm
        write_fitted(page, device.id, left, y + 14 * mm, width, "Helvetica-Bold", 14)
        write_fitted(page, f"{device.site}, {device.purpose.value}", left, y + 9 * mm, width, "Helvetica", 9)
        words = f"Good until {until}, for one appliance. Show it to the camera; then destroy it."
        write_fitted(page, words, left, y + 5 * mm, width, "Helvetica", 8)
        if first:
            write_fitted(page, first.strip(), left, y + 1.5 * mm, width, "Helvetica-Bold", 8)
