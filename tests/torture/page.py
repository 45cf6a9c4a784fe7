"""The table of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.torture.finding import Finding

PAGE = Path("docs/reliability.md")
_BEGIN = "<!-- made by `make torture` -->\n"
_END = "<!-- end -->\n"
_HEAD = (
    "| Fault | Tried | Events | Lost | Recovery, median | longest | Bytes per event | Counted from |\n"
    "|---|---:|---:|---|---:|---:|---:|---|\n"
)


def with_table(page: str, findings: Sequence[Finding]) -> str:
    """Return the page with its table made anew."""
    before, rest = page.split(_BEGIN)
    _, after = rest.split(_END)
    return f"{before}{_BEGIN}\n{_HEAD}{''.join(map(_row, findings))}\n{_END}{after}"


def _row(finding: Finding) -> str:
    lost = "nothing" if not finding.wrong else f"**{len(finding.wrong)}**: {finding.wrong[0]}"
    if not finding.tried:
        lost = "not tried"
    cells = (
        finding.fault,
        f"{finding.tried:,}",
        f"{finding.shown:,}",
        lost,
        _seconds(finding.median_s),
        _seconds(finding.max_s),
        "" if finding.bytes_per_event is None else f"{finding.bytes_per_event:,.0f}",
        "; ".join(filter(None, (finding.recovered, finding.note))),
    )
    return f"| {' | '.join(cells)} |\n"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
