"""The report on A4 pages: tables of lines, and one picture, people per hour."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, tzinfo
from xml.sax.saxutils import escape

from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from firmware.day.figures import Figures
from firmware.day.sentences import Section, sections, span, title

# Bitstream Vera, which reportlab carries: Western European letters. What it lacks is said, not guessed.
FONT, BOLD = "Vera", "VeraBd"
MISSING = "◊"
_WIDTHS = (62 * mm, 45 * mm, 67 * mm)
_CHART_MM = (174, 62)


def as_pdf(found: Figures, zone: tzinfo = UTC) -> bytes:
    """Return the report as one PDF."""
    letters = _letters()
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
        title=title(found),
        author="Aidpost",
        lang="en",
    )
    head = ParagraphStyle("head", fontName=BOLD, fontSize=15, leading=19, spaceAfter=2 * mm)
    plain = ParagraphStyle("plain", fontName=FONT, fontSize=9, leading=12)
    heading = ParagraphStyle("heading", fontName=BOLD, fontSize=10.5, leading=14, spaceBefore=3 * mm)
    made = sections(found)
    story: list[Flowable] = [
        Paragraph(_shown("Reconciliation report", letters), head),
        Paragraph(_shown(title(found), letters), plain),
        Paragraph(_shown(span(found, zone), letters), plain),
    ]
    for section in made:
        table = _table(section, plain, letters)
        story.append(KeepTogether([Paragraph(_shown(section.title, letters), heading), table]))
    if found.per_hour:
        story.append(KeepTogether([Paragraph("People per hour", heading), _chart(found.per_hour)]))
    story += [Spacer(1, 4 * mm), Paragraph(_shown(_how_to_read(made, letters), letters), plain)]
    document.build(story)
    return out.getvalue()


def _how_to_read(made: Sequence[Section], letters: frozenset[int]) -> str:
    texts = [text for section in made for row in section.rows for text in (row.what, row.value, row.note)]
    lacks = any(ord(letter) not in letters for text in texts for letter in text)
    said = (
        "Wrongful refusals: people whom the comparison did not support, or of whom no usable sample was had, "
        "and whom staff served all the same; each of them is taken for the right person."
    )
    return (
        f"{said} {MISSING} stands for letters that this file cannot show; report.csv has them."
        if lacks
        else said
    )


def _table(section: Section, style: ParagraphStyle, letters: frozenset[int]) -> Table:
    rows = [
        [Paragraph(_shown(text, letters), style) for text in (row.what, row.value, row.note)]
        for row in section.rows
    ]
    table = Table(rows, colWidths=_WIDTHS, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#c8ccd0")),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ]
        )
    )
    return table


def _chart(per_hour: Sequence[tuple[str, int]]) -> Drawing:
    width, height = (side * mm for side in _CHART_MM)
    drawing, chart = Drawing(width, height), VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 10 * mm, 16 * mm, width - 14 * mm, height - 22 * mm
    chart.data = [[people for _, people in per_hour]]
    chart.bars[0].fillColor = colors.HexColor("#2f6690")
    chart.bars[0].strokeColor = None
    chart.barLabelFormat = "%d"
    chart.barLabels.fontName, chart.barLabels.fontSize, chart.barLabels.nudge = FONT, 7, 6
    chart.valueAxis.valueMin = 0
    chart.valueAxis.valueMax = max(people for _, people in per_hour) * 1.15 + 1
    chart.valueAxis.labels.fontName = chart.categoryAxis.labels.fontName = FONT
    chart.valueAxis.labels.fontSize = chart.categoryAxis.labels.fontSize = 7
    chart.valueAxis.labelTextFormat = "%d"
    chart.categoryAxis.categoryNames = [hour for hour, _ in per_hour]
    chart.categoryAxis.labels.angle = 40
    chart.categoryAxis.labels.boxAnchor = "ne"
    drawing.add(chart)
    return drawing


def _letters() -> frozenset[int]:
    """Register the font, and return the code points that it has."""
    regular = TTFont(FONT, "Vera.ttf")
    pdfmetrics.registerFont(regular)
    pdfmetrics.registerFont(TTFont(BOLD, "VeraBd.ttf"))
    return frozenset(regular.face.charToGlyph)


def _shown(text: str, letters: frozenset[int]) -> str:
    return escape("".join(letter if ord(letter) in letters else MISSING for letter in text))
