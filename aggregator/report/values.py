"""What the report is made of: sections, rows, and a rate in words."""

from __future__ import annotations

import msgspec

from aggregator.report.figures import Refusals


class Row(msgspec.Struct, frozen=True):
    """One line; note: how it is to be read, empty where it is plain."""

    what: str
    value: str
    note: str = ""


class Section(msgspec.Struct, frozen=True):
    """One heading with its sentences and its rows."""

    title: str
    sentences: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


def rate_in_words(found: Refusals) -> str:
    """Return the share of refusals that were probably wrongful."""
    compared = found.attempts - found.unsettled
    return f"{100 * found.refused / compared:.1f} %" if compared else "not known"
