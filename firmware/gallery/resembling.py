"""Which entries may be of the same person as one that comes from another appliance."""

from __future__ import annotations

from firmware.session.comparison import Comparison
from firmware.session.matching import Matcher
from firmware.store.reference import Reference


def resembling_in(matcher: Matcher, reference: Reference) -> tuple[bytes, ...]:
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
    return tuple(candidate.entry_id for candidate in verdict.candidates)
