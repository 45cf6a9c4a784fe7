"""The sums that say how people are served: by hour, by day, by site and by cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from aggregator.fleet.tallies import (
    ANSWERS,
    CHECK_INS,
    CLAIMS,
    SERVICE_MS,
    WRONGLY_REFUSED,
    cohort_claims,
    cohort_wrongly_refused,
)
from aggregator.store import telemetry
from aggregator.store.port import Database

Key = TypeVar("Key")

HOURS = 48
_FIGURES = (*ANSWERS.values(), *SERVICE_MS.values(), CLAIMS, WRONGLY_REFUSED)
_BEFORE, _AFTER = cohort_claims("\0").split("\0")


class ServiceFigures(msgspec.Struct, frozen=True):
    """Sums by what (`aggregator.fleet.tallies`).

    hours, days: by what, of each hour of the last two days and of each day of the span, since 1970. sites: of
    the whole span, empty where one site was asked for. cohorts: claims and wrong refusals of the whole fleet.
    """

    hours: Mapping[int, Mapping[str, int]]
    days: Mapping[int, Mapping[str, int]]
    sites: Mapping[str, Mapping[str, int]]
    cohorts: Mapping[str, tuple[int, int]]


def read(db: Database, now_hour: int, days: int, site: str) -> ServiceFigures:
    """Return the sums of the last days, today with them; site: one alone, empty for all."""
    today = now_hour // 24
    first = today - days + 1
    hours = telemetry.by_hour(db, _FIGURES, now_hour - HOURS + 1, now_hour + 1, site)
    by_day = telemetry.by_day(db, (*_FIGURES, *CHECK_INS.values()), first, today + 1, site)
    by_site = () if site else telemetry.by_site(db, _FIGURES, first, today + 1)
    return ServiceFigures(
        _grouped(hours), _grouped(by_day), _grouped(by_site), {} if site else _cohorts(db, first, today + 1)
    )


def _cohorts(db: Database, first: int, end: int) -> dict[str, tuple[int, int]]:
    names = [
        what.removeprefix(_BEFORE).removesuffix(_AFTER)
        for what in telemetry.known_sums(db)
        if what.startswith(_BEFORE) and what.endswith(_AFTER)
    ]
    sums: dict[str, int] = {}
    wanted = [named(name) for name in names for named in (cohort_claims, cohort_wrongly_refused)]
    for _, what, count in telemetry.by_day(db, wanted, first, end):
        sums[what] = sums.get(what, 0) + count
    return {
        name: (claims, sums.get(cohort_wrongly_refused(name), 0))
        for name in names
        if (claims := sums.get(cohort_claims(name), 0))
    }


def _grouped(rows: Iterable[tuple[Key, str, int]]) -> dict[Key, dict[str, int]]:
    found: dict[Key, dict[str, int]] = {}
    for key, what, count in rows:
        found.setdefault(key, {})[what] = count
    return found
