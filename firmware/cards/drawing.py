"""Draws one code, the signs and the cut marks on a page; lengths in points of 1/72 inch."""

from __future__ import annotations

from typing import Any

import segno

QUIET_MODULES = 4
"""White around a code, ISO/IEC 18004."""
_MARK_LENGTH, _MARK_GAP = 8, 2
_MOST_PEOPLE = 10


def draw_code(page: Any, text: str, x: float, y: float, side: float) -> None:
    """Draw the code of `text` at level M into a square, its white edge included; x, y: the lower left."""
    modules = segno.make_qr(text, error="m", boost_error=False).matrix
    size = side / (len(modules) + 2 * QUIET_MODULES)
    path = page.beginPath()
    for row, line in enumerate(modules):
        top = y + side - (QUIET_MODULES + row + 1) * size
        start = None
        for column, dark in enumerate((*line, 0)):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                # One rectangle for a run: no white hairline between its modules.
                path.rect(x + (QUIET_MODULES + start) * size, top, (column - start) * size, size)
                start = None
    page.drawPath(path, stroke=0, fill=1)


def draw_people(page: Any, count: int, x: float, y: float, height: float) -> None:
    """Draw one person for each of a household; from eleven on one person and the number."""
    shown = count if count <= _MOST_PEOPLE else 1
    step = height * 0.52
    for place in range(shown):
        _draw_person(page, x + place * step, y, height)
    if shown < count:
        page.setFont("Helvetica-Bold", height)
        page.drawString(x + step + height * 0.15, y + height * 0.1, f"× {count}")


def draw_house(page: Any, x: float, y: float, side: float) -> None:
    """Draw a house, the sign of a household's card."""
    _fill(page, [(x, y + side * 0.5), (x + side / 2, y + side), (x + side, y + side * 0.5)])
    page.rect(x + side * 0.15, y, side * 0.7, side * 0.5, stroke=0, fill=1)
    page.setFillGray(1)
    page.rect(x + side * 0.42, y, side * 0.18, side * 0.3, stroke=0, fill=1)
    page.setFillGray(0)


def draw_calendar(page: Any, x: float, y: float, side: float) -> None:
    """Draw a leaf of a calendar, the sign of an appointment."""
    page.setLineWidth(side * 0.08)
    page.roundRect(x + side * 0.05, y, side * 0.9, side * 0.85, side * 0.08, stroke=1, fill=0)
    page.rect(x + side * 0.05, y + side * 0.6, side * 0.9, side * 0.25, stroke=0, fill=1)
    for ring in (0.28, 0.72):
        page.rect(x + side * (ring - 0.04), y + side * 0.75, side * 0.08, side * 0.25, stroke=0, fill=1)
    for place in range(6):
        column, row = place % 3, place // 3
        page.rect(
            x + side * (0.2 + 0.23 * column), y + side * (0.12 + 0.23 * row), side * 0.13, side * 0.13, 0, 1
        )


def draw_ticket(page: Any, x: float, y: float, side: float) -> None:
    """Draw a ticket, the sign of a visit token."""
    page.roundRect(x, y + side * 0.2, side, side * 0.6, side * 0.08, stroke=0, fill=1)
    page.setFillGray(1)
    for edge in (x, x + side):
        page.circle(edge, y + side / 2, side * 0.12, stroke=0, fill=1)
    page.setFillGray(0)


def draw_cut_marks(page: Any, x: float, y: float, width: float, height: float) -> None:
    """Draw marks at the corners of what is to be cut out, outside of it."""
    page.setLineWidth(0.3)
    for corner_x, to_x in ((x, -1), (x + width, 1)):
        for corner_y, to_y in ((y, -1), (y + height, 1)):
            near, far = _MARK_GAP, _MARK_GAP + _MARK_LENGTH
            page.line(corner_x + to_x * near, corner_y, corner_x + to_x * far, corner_y)
            page.line(corner_x, corner_y + to_y * near, corner_x, corner_y + to_y * far)


def _draw_person(page: Any, x: float, y: float, height: float) -> None:
    head = height * 0.15
    middle = x + height * 0.22
    page.circle(middle, y + height - head, head, stroke=0, fill=1)
    page.roundRect(x + height * 0.04, y, height * 0.36, height * 0.66, height * 0.16, stroke=0, fill=1)


def _fill(page: Any, corners: list[tuple[float, float]]) -> None:
    path = page.beginPath()
    path.moveTo(*corners[0])
    for corner in corners[1:]:
        path.lineTo(*corner)
    path.close()
    page.drawPath(path, stroke=0, fill=1)
