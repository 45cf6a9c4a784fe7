"""``make hardware``: draws the figures anew and writes the tables of docs/hardware.md."""

from __future__ import annotations

from pathlib import Path

from hardware import parts, power, wiring
from hardware.drawings import draw_all
from sensors.board.settings import BoardPins

DOCS = Path(__file__).parents[2] / "docs"


def tables() -> dict[str, str]:
    """Return the tables of the page by name."""
    return {"wiring": wiring.table(BoardPins()), "parts": parts.table(), "power": power.table()}


def filled(page: str) -> str:
    """Return the page with each table between its marks; raises ValueError where a mark is missing."""
    for name, table in tables().items():
        before, begin, rest = page.partition(f"<!-- {name}: make hardware -->\n")
        _, end, after = rest.partition("<!-- end -->\n")
        if not begin or not end:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{begin}{table}{end}{after}"
    return page


def main(docs: Path = DOCS) -> None:
    """Draw and write."""
    draw_all(BoardPins(), docs / "figures")
    page = docs / "hardware.md"
    page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    main()
