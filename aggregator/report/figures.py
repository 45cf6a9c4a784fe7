"""The report's figures, from the store as of one commit. Nothing here names a person who was served.

An estimate of wrongful refusals as in the appliance's report of a day: people who came with a claim (1:1),
whom the comparison did not support or of whom no usable sample was had, and who were served all the same.
Groups are shown by the rule of `trust.small_cells`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from aggregator.holdings import Device, Enrolment, Erasure, Gallery, StoredEvent
from aggregator.records import Mode, Outcome
from aggregator.store import administration, gallery_overview
from aggregator.store.identities import enrolments
from aggregator.store.port import Database
from aggregator.store.reader import read_devices, read_double_collections, read_events
from trust.service import Answer, Basis
from trust.small_cells import hidden

MAX_ERASURES = 10_000
SILENT_DAYS = 5  # RESPONSIBLE_USE 26: registration stops on a device that was not heard of for so long
DAY_NS = 24 * 3600 * 1_000_000_000
SERVED = frozenset({Answer.VISIT.value, Answer.GIVEN.value, Answer.REGISTERED.value})


class Period(msgspec.Struct, frozen=True):
    """from_ns to before to_ns, in ns since 1970, by the aggregator's clock: when it received an event."""

    from_ns: int
    to_ns: int

    def holds(self, at_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.from_ns <= at_ns < self.to_ns


class Held(msgspec.Struct, frozen=True):
    """Records of one kind that are held now, and when the oldest and the newest came."""

    kind: str
    count: int
    oldest_ns: int
    newest_ns: int


class Acts(msgspec.Struct, frozen=True):
    """How often somebody administered something in the period."""

    actor: str
    act: str
    count: int


class Administration(msgspec.Struct, frozen=True):
    """The log of administration. broken_at: the first entry that does not hold, None where all do."""

    entries: int
    broken_at: int | None
    acts: tuple[Acts, ...]


class AtSite(msgspec.Struct, frozen=True):
    """What happened at one site in the period; each count by word."""

    site: str
    check_ins: dict[str, int]
    served: dict[str, int]
    by_basis: dict[str, int]
    registrations: dict[str, int]
    complaints: dict[str, int]
    declined: int


class Refusals(msgspec.Struct, frozen=True):
    """People with a claim who were compared. refused: served all the same, the estimate of wrongful refusals.

    unsettled: not supported, and they left without service. attempts: all, those included.
    """

    attempts: int
    refused: int
    unsettled: int


class CohortRefusals(msgspec.Struct, frozen=True):
    """One group; refusals: None where it is too small to be shown."""

    cohort: str
    refusals: Refusals | None


class ExceptionCount(msgspec.Struct, frozen=True):
    """Exceptions of one kind at one site; who asked and who signed stand in the appliance's report."""

    site: str
    reason: str
    operator: str
    supervisor: str
    count: int


class ListErasure(msgspec.Struct, frozen=True):
    """One list that was erased; hours: since it was taken up, by the device's clock, None if not known."""

    device_id: str
    workflow: str
    cycle: str
    entries: int
    erased_ns: int
    hours: float | None


class OpenList(msgspec.Struct, frozen=True):
    """A list that was taken up and whose erasure is not known of."""

    device_id: str
    workflow: str
    cycle: str
    entries: int
    loaded_ns: int


class DeviceState(msgspec.Struct, frozen=True):
    """One device now. silent_days: since it was last heard of. ends_ns: of its newest certificate."""

    device_id: str
    site: str
    silent_days: float
    certificate: str
    ends_ns: int | None
    chain_breaks: int
    disputed: bool
    missing: int
    open_faults: tuple[str, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    period: Period
    made_ns: int
    held: tuple[Held, ...]
    galleries: tuple[Gallery, ...]
    administration: Administration
    sites: tuple[AtSite, ...]
    refusals: Refusals
    cohorts: tuple[CohortRefusals, ...]
    not_linked: int
    exceptions: tuple[ExceptionCount, ...]
    owner_conflicts: int
    double_collections: int
    erasures: tuple[Erasure, ...]
    list_erasures: tuple[ListErasure, ...]
    open_lists: tuple[OpenList, ...]
    devices: tuple[DeviceState, ...]


def figures(db: Database, period: Period, now_ns: int) -> Figures:
    """Return the figures of a period; now_ns: for what is held now."""
    with db.atomic():
        devices = read_devices(db)
        site_of = {device.device_id: device.site for device in devices}
        since = read_events(db, since_ns=period.from_ns)
        events = [each for each in since if period.holds(each.received_ns)]
        refusals, cohorts, not_linked = _refusals(events)
        erased, still_there = _lists(read_events(db, kinds=("list_loaded", "list_erased")), period)
        return Figures(
            period=period,
            made_ns=now_ns,
            held=_held(db),
            galleries=tuple(gallery_overview.read(db)),
            administration=_administration(db, period),
            sites=tuple(_sites(events, site_of)),
            refusals=refusals,
            cohorts=cohorts,
            not_linked=not_linked,
            exceptions=_exceptions(events, site_of),
            owner_conflicts=sum(each.kind == "conflict" for each in events),
            double_collections=sum(
                any(period.holds(hand_over.wall_ns) for hand_over in each.hand_overs)
                for each in read_double_collections(db)
            ),
            erasures=tuple(
                gallery_overview.erasures(db, MAX_ERASURES, between_ns=(period.from_ns, period.to_ns))
            ),
            list_erasures=erased,
            open_lists=still_there,
            devices=tuple(_devices(devices, enrolments(db), now_ns)),
        )


def _held(db: Database) -> tuple[Held, ...]:
    rows = db.execute(
        "SELECT kind, count(*), min(received_ns), max(received_ns) FROM events GROUP BY kind ORDER BY kind"
    )
    return tuple(Held(*row) for row in rows)


def _administration(db: Database, period: Period) -> Administration:
    entries = administration.read(db, 1, administration.EVERY)
    counts = Counter((each.actor, each.act) for each in entries if period.holds(each.at_ns))
    acts = tuple(Acts(actor, act, count) for (actor, act), count in sorted(counts.items()))
    return Administration(len(entries), administration.first_broken(db), acts)


def _sites(events: Iterable[StoredEvent], site_of: Mapping[str, str]) -> Iterator[AtSite]:
    by_site: dict[str, list[StoredEvent]] = defaultdict(list)
    for event in events:
        by_site[site_of.get(event.device_id, "unknown")].append(event)
    for site, here in sorted(by_site.items()):
        services = [each for each in here if each.kind == "service"]
        yield AtSite(
            site,
            check_ins=_counted(each.outcome for each in here if each.kind == "check_in"),
            served=_counted(f"{each.mode}: {each.outcome}" for each in services),
            by_basis=_counted(each.details.basis for each in services if each.details.basis),
            registrations=_counted(each.details.consent for each in here if each.kind == "registration"),
            complaints=_counted(each.details.concern for each in here if each.kind == "complaint"),
            declined=sum(bool(each.details.declined) for each in services),
        )


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(word or "not named" for word in words).items()))


def _refusals(events: Iterable[StoredEvent]) -> tuple[Refusals, tuple[CohortRefusals, ...], int]:
    """Return the estimate for all and by cohort, and how many services name a check-in that is not held."""
    check_ins: dict[str, StoredEvent] = {}
    groups: dict[str, list[Refusals]] = defaultdict(list)
    not_linked = 0
    for event in events:
        if event.kind == "check_in" and event.record_id is not None:
            check_ins[event.record_id.hex()] = event
        if event.kind != "service" or not event.details.check_ins:
            continue
        named = [check_ins.get(record_id) for record_id in event.details.check_ins]
        known = [each for each in named if each is not None]
        if len(known) < len(named):
            not_linked += 1
        elif (one := _refusal(known, event)) is not None:
            groups[event.details.cohort or "no cohort named"].append(one)
    added = {cohort: _added(each) for cohort, each in sorted(groups.items())}
    small = hidden({cohort: each.attempts for cohort, each in added.items()})
    named_cohorts = added.keys() - {"no cohort named"}
    cohorts = tuple(
        CohortRefusals(cohort, None if cohort in small else each) for cohort, each in added.items()
    )
    return _added(added.values()), cohorts if named_cohorts else (), not_linked


def _refusal(check_ins: Iterable[StoredEvent], service: StoredEvent) -> Refusals | None:
    """Return what one person counts as, None for one who was not compared 1:1."""
    outcomes = {(each.outcome, each.mode) for each in check_ins}
    confirmed = any(each.details.confirmed for each in check_ins)
    supported = confirmed or (Outcome.MATCH.value, Mode.VERIFY.value) in outcomes
    if supported and service.details.basis != Basis.ALTERNATE.value:
        return Refusals(1, 0, 0)
    if not {(Outcome.NO_MATCH.value, Mode.VERIFY.value), (Outcome.RETRY.value, Mode.VERIFY.value)} & outcomes:
        return Refusals(1, 0, 0) if supported else None
    served = service.outcome in SERVED
    return Refusals(1, int(served), int(not served))


def _added(each: Iterable[Refusals]) -> Refusals:
    listed = list(each)
    return Refusals(
        sum(one.attempts for one in listed),
        sum(one.refused for one in listed),
        sum(one.unsettled for one in listed),
    )


def _exceptions(events: Iterable[StoredEvent], site_of: Mapping[str, str]) -> tuple[ExceptionCount, ...]:
    counts = Counter(
        (
            site_of.get(each.device_id, "unknown"),
            each.reason or "no reason named",
            each.details.operator or "not signed in",
            " and ".join(filter(None, (each.details.supervisor or "nobody", each.details.countersigned_by))),
        )
        for each in events
        if each.kind == "service" and each.details.basis == Basis.EXCEPTION.value
    )
    return tuple(ExceptionCount(*what, count) for what, count in sorted(counts.items()))


def _lists(
    events: Iterable[StoredEvent], period: Period
) -> tuple[tuple[ListErasure, ...], tuple[OpenList, ...]]:
    """Hold each erasure against the taking up of the same list on the same device."""
    loaded: dict[tuple[str, str | None], StoredEvent] = {}
    erased: list[ListErasure] = []
    for event in events:
        about = event.details
        key = (event.device_id, about.digest)
        if event.kind == "list_loaded":
            loaded[key] = event
            continue
        begun = loaded.pop(key, None)
        if period.holds(event.received_ns):
            hours = None if begun is None else (event.wall_ns - begun.wall_ns) / 3.6e12
            erased.append(
                ListErasure(
                    event.device_id,
                    event.mode or about.workflow or "",
                    about.cycle or "",
                    about.entries or 0,
                    event.wall_ns,
                    hours if hours is not None and hours >= 0 else None,
                )
            )
    still_there = tuple(
        OpenList(
            each.device_id,
            each.mode or each.details.workflow or "",
            each.details.cycle or "",
            each.details.entries or 0,
            each.wall_ns,
        )
        for each in loaded.values()
    )
    return tuple(erased), still_there


def _devices(devices: Iterable[Device], keys: Iterable[Enrolment], now_ns: int) -> Iterator[DeviceState]:
    newest: dict[str, Enrolment] = {}
    for key in keys:  # by device and time
        newest[key.device_id] = key
    for device in devices:
        key_now = newest.get(device.device_id)
        yield DeviceState(
            device.device_id,
            device.site,
            silent_days=max(0, now_ns - device.last_seen_ns) / DAY_NS,
            certificate=key_now.state.value if key_now is not None else "none: in the clear, for development",
            ends_ns=key_now.ends_ns if key_now is not None else None,
            chain_breaks=sum(len(outbox.breaks) for outbox in device.outboxes),
            disputed=any(outbox.disputed for outbox in device.outboxes),
            missing=sum(outbox.top_seq - outbox.held for outbox in device.outboxes),
            open_faults=tuple(f"{fault.part}: {fault.fault}" for fault in device.faults),
        )
