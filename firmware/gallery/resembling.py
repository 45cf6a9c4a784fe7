"""Which entries may be of the same person as one that comes from another appliance."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.session.comparison import Comparison
from firmware.session.matching import Matcher
from firmware.store.reference import Reference
from inference.operating_point import Strength


@dataclass(frozen=True, slots=True)
class Alike:
    """An entry that resembles another; score_llr: a log-likelihood ratio (natural logarithm)."""

    entry_id: bytes
    score_llr: float
    strength: Strength


def resembling_in(matcher: Matcher, reference: Reference) -> tuple[Alike, ...]:
    """Search the entries in memory with an entry's templates, as a registration does with a person's."""
    if not matcher.size:
        return ()
    plain, search = matcher.plain(reference.entry_id, reference.templates), Comparison(matcher, None)
    try:
        verdict = search.weigh(plain)
    finally:
        search.wipe()
        for template in plain:
            template.wipe()
    return tuple(Alike(each.entry_id, each.score.llr, each.strength) for each in verdict.candidates)
