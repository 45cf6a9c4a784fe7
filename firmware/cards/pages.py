"""Pages of cards that are cut out: A4, one size on a page, and the same cards give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from firmware.cards.drawing import draw_cut_marks


@dataclass(frozen=True, slots=True)
class Grid:
    """How many of one size go on a page, and where; lengths in points of 1/72 inch."""

    columns: int
    rows: int
    width: float
    height: float

    def place(self, index: int) -> tuple[float, float]:
        """Return the lower left corner of the next one, from the top left of the page."""
        column, row = index % self.columns, index // self.columns % self.rows
        left = (A4[0] - self.columns * self.width) / 2
        top = A4[1] - (A4[1] - self.rows * self.height) / 2
        return left + column * self.width, top - (row + 1) * self.height


def to_pdf(grid: Grid, drawn: Sequence[Callable[[Any, float, float], None]], title: str) -> bytes:
    """Return the PDF of these cards; each is called with the page and the lower left corner of its place."""
    content = io.BytesIO()
    page = Canvas(content, pagesize=A4, invariant=1)
    page.setTitle(title)
    for index, draw in enumerate(drawn):
        if index and index % (grid.columns * grid.rows) == 0:
            page.showPage()
        x, y = grid.place(index)
        draw_cut_marks(page, x, y, grid.width, grid.height)
        draw(page, x, y)
    page.save()
    return content.getvalue()


def write_fitted(page: Any, text: str, x: float, y: float, width: float, font: str, size: float) -> None:
    """Write one line, smaller where it is long."""
    taken = page.stringWidth(text, font, size)
    page.setFont(font, size if taken <= width else size * width / taken)
    page.drawString(x, y, text)
