"""The report on A4 pages, by reportlab."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table, TableStyle

from aggregator.report.values import Section

# Bitstream Vera, which reportlab carries: Western European letters. What it lacks is said, not guessed.
FONT, BOLD = "Vera", "VeraBd"
MISSING = "◊"
_WIDTHS = (62 * mm, 40 * mm, 72 * mm)
_STYLE = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#c8ccd0")),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ]
)


def as_pdf(title: str, preamble: Sequence[str], sections: Sequence[Section]) -> bytes:
    """Return the report as one PDF."""
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
        title=title,
        author="Aidpost",
        lang="en",
    )
    document.build(list(_story(title, preamble, sections, _letters())))
    return out.getvalue()


def _story(
    title: str, preamble: Sequence[str], sections: Sequence[Section], letters: frozenset[int]
) -> Iterator[Flowable]:
    head = ParagraphStyle("head", fontName=BOLD, fontSize=15, leading=19, spaceAfter=2 * mm)
    heading = ParagraphStyle(
        "heading", fontName=BOLD, fontSize=10.5, leading=14, spaceBefore=4 * mm, keepWithNext=True
    )
    plain = ParagraphStyle("plain", fontName=FONT, fontSize=9, leading=12, spaceAfter=1 * mm)
    yield Paragraph(_shown(title, letters), head)
    for sentence in preamble:
        yield Paragraph(_shown(sentence, letters), plain)
    for section in sections:
        yield Paragraph(_shown(section.title, letters), heading)
        for sentence in section.sentences:
            yield Paragraph(_shown(sentence, letters), plain)
        if section.rows:
            cells = [
                [Paragraph(_shown(text, letters), plain) for text in (row.what, row.value, row.note)]
                for row in section.rows
            ]
            yield Table(cells, colWidths=_WIDTHS, hAlign="LEFT", style=_STYLE)


def _letters() -> frozenset[int]:
    """Register the font, and return the code points that it has."""
    regular = TTFont(FONT, "Vera.ttf")
    pdfmetrics.registerFont(regular)
    pdfmetrics.registerFont(TTFont(BOLD, "VeraBd.ttf"))
    return frozenset(regular.face.charToGlyph)


def _shown(text: str, letters: frozenset[int]) -> str:
    return escape("".join(letter if ord(letter) in letters else MISSING for letter in text))
