"""The page of entries that may be of one person: random ids and scores, to look at; nobody decides here."""

from __future__ import annotations

import msgspec

from aggregator.dashboard.views import Stamp, ago, iso, utc
from aggregator.holdings import Adjudication


class PairRow(msgspec.Struct, frozen=True):
    """One pair; state: what was said of it, in words; waits: it is not decided."""

    number: int
    site: str
    first: str
    second: str
    score: str
    told_by: str
    told: Stamp
    state: str
    waits: bool


class AdjudicationsPage(msgspec.Struct, frozen=True):
    """Everything that the page shows."""

    now: Stamp
    rows: tuple[PairRow, ...]


def make_adjudications_page(pairs: tuple[Adjudication, ...], now_ns: int) -> AdjudicationsPage:
    """Return the page for what is held now."""
    now = utc(now_ns)

    def row(pair: Adjudication) -> PairRow:
        told = utc(pair.told_ns)
        return PairRow(
            number=pair.number,
            site=pair.site,
            first=pair.first.hex(),
            second=pair.second.hex(),
            score=f"{pair.strength.value}, {pair.score_llr:.2f}",
            told_by=pair.told_by,
            told=Stamp(ago((now - told).total_seconds()), iso(told)),
            state=_state(pair),
            waits=pair.decided_ns is None,
        )

    return AdjudicationsPage(Stamp(f"{now:%H:%M:%S}", iso(now)), tuple(map(row, pairs)))


def _state(pair: Adjudication) -> str:
    if pair.same is None:
        return "open"
    word = "one person" if pair.same else "different people"
    if pair.decided_ns is None:
        return f"{word}, says {pair.proposed_by}; another person has to confirm it"
    return f"{word}, by {pair.proposed_by} and {pair.confirmed_by}"
