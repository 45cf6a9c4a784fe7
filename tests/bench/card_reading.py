"""How often a printed card is read from one picture: `python -m tests.bench.card_reading`.

The sheet's PDF is rasterised and seen turned in the plane, at several sizes, blurs, tilts, in glare and
partly covered. The camera takes ten pictures a second, so that half of them is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.cards.payload import UNREADABLE
from firmware.cards.scanner import find_code
from firmware.cards.sheet import card_sheet
from firmware.lists.templates import distribution_rows
from sensors.frames import Pixels
from tests.kit.printed_cards import View, first_card, photograph
from trust.issuer import IssuerKey
from trust.lists.parsing import parse
from trust.lists.table import Table

_PICTURES = 80
_CARDS = 8  # codes differ, and with them what a stain hides
_SIZES_PX = (1.5, 2.0, 3.0, 4.0, 6.0)
_BLURS_MODULES = (0.0, 0.3, 0.4, 0.5, 0.6)


def read_share(cards: Sequence[Pixels], view: View) -> str:
    """Return how many of the pictures are read, in per cent; each is turned and placed otherwise."""
    found = []
    for number in range(_PICTURES):
        seen = replace(view, turn_deg=view.turn_deg + 17.0 * number)
        found.append(find_code(photograph(cards[number % len(cards)], seen, number)))
    return f"{100 * sum(text not in ('', UNREADABLE) for text in found) / _PICTURES:.0f} %"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * (lines[0].count("|") - 1) + "|", *lines[1:]])


def main() -> None:
    """Measure, and print the tables of docs/lists-and-cards.md."""
    day = date(2026, 11, 25)
    planned = parse(Table(tuple(distribution_rows("camp-3", "desk-1", day))))
    keys = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(_CARDS))
    cards = [first_card(card_sheet(planned, IssuerKey(key), None)) for key in keys]
    click.echo(
        table(
            ("module, pixels", *(f"blur {blur} modules" for blur in _BLURS_MODULES)),
            (
                (f"{size}", *(read_share(cards, View(size, blur_px=blur * size)) for blur in _BLURS_MODULES))
                for size in _SIZES_PX
            ),
        )
    )
    click.echo()
    rest = [
        ("far edge shorter by 30 %", View(tilt=0.3)),
        ("far edge shorter by 50 %", View(tilt=0.5)),
        ("glare over 15 % of the card's width", View(glare=0.15)),
        ("glare over 20 %", View(glare=0.2)),
        ("glare over 30 %", View(glare=0.3)),
        ("a finger over 30 % of the code's sides", View(covered=0.3)),
        ("a finger over 50 %", View(covered=0.5)),
        ("noise of 40 grey levels", View(noise=40)),
    ]
    click.echo(
        table(("4 pixels a module, sharp", "read"), ((name, read_share(cards, v)) for name, v in rest))
    )


if __name__ == "__main__":
    main()
