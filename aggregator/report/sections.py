"""The report in sections of sentences and rows: what the PDF and the JSON both hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from aggregator.report.figures import DAY_NS, SILENT_DAYS, Figures, Refusals
from aggregator.report.topics import topics
from aggregator.report.values import Row, Section, rate_in_words
from trust.small_cells import SMALL_CELL


def title(found: Figures) -> str:
    """Return what the report is about."""
    last = found.period.to_ns - DAY_NS
    return f"Data-protection report, {_day(found.period.from_ns)} to {_day(last)}"


def preamble(found: Figures) -> tuple[str, ...]:
    """Return what has to be known to read it."""
    return (
        f"Made on {_moment(found.made_ns)} from the aggregator's store alone. Days are UTC, by the time at "
        "which the aggregator received a record; what a device has not sent yet is not in it.",
        f"No person who was served is named. Groups of fewer than {SMALL_CELL} are not shown, nor one more "
        "where the total would give them away; two reports of overlapping days can still be held against "
        "each other.",
    )


def sections(found: Figures) -> tuple[Section, ...]:
    """Return the whole report in the order in which it is read."""
    return (
        _held(found),
        _galleries(found),
        _seen(found),
        *_sites(found),
        _refusals(found),
        _erasures(found),
        _exceptions(found),
        _devices(found),
        *topics(found),
    )


def _held(found: Figures) -> Section:
    rows = tuple(
        Row(_word(each.kind), str(each.count), f"{_moment(each.oldest_ns)} to {_moment(each.newest_ns)}")
        for each in found.held
    )
    return Section(
        "What is held here, and until when",
        (
            "Records of services and check-ins under random numbers: for the service, its figures and "
            "reconciliation. They name no person who was served, and hold no image and no template.",
            "No time after which this aggregator erases records is set in this version: they stay until "
            "its operator deletes the store. An appliance erases its own copy within a day after the "
            "acknowledgement.",
            "An appliance whose store was damaged keeps the file, encrypted, for 30 days in a folder "
            "damaged-N; no template in it opens once the rest was saved.",
        ),
        rows or (Row("Records", "0", "nothing was received yet"),),
    )


def _galleries(found: Figures) -> Section:
    rows = []
    for each in found.galleries:
        behind = sum(member.erasures_to_confirm > 0 for member in each.members)
        rows.append(
            Row(
                f"{each.purpose} at {each.site}",
                f"{each.entries} entries, {each.erased} erased",
                f"{len(each.members)} appliances can open it, by the roster of the custodian "
                f"{each.custodian}; {each.former_epoch} entries still under a former key; {behind} "
                "appliances have an erasure to carry out",
            )
        )
    return Section(
        "Galleries, by site and purpose",
        (
            "The entries are ciphertext, which nobody here can open; a gallery has one site and one "
            "purpose. How long an entry is kept stands in the site's signed data policy, which the "
            "appliances carry out.",
        ),
        tuple(rows) or (Row("Galleries", "0", "no gallery is shared through this aggregator"),),
    )


def _seen(found: Figures) -> Section:
    log = found.administration
    holds = (
        f"All {log.entries} entries of its log hold."
        if log.broken_at is None
        else f"ITS LOG BREAKS AT ENTRY {log.broken_at} of {log.entries}: find out why before this is used."
    )
    return Section(
        "Who administered what",
        (
            f"Every act of administration is logged in a hash chain. {holds}",
            "Reading is not logged: the dashboard and the commands on the aggregator's machine show "
            "records to whoever can log in there. Who that may be is decided outside this system.",
        ),
        tuple(Row(each.actor, str(each.count), each.act) for each in log.acts)
        or (Row("Acts in the period", "0"),),
    )


def _sites(found: Figures) -> Iterator[Section]:
    for each in found.sites:
        groups = (
            ("Check-ins", each.check_ins),
            ("Left with", each.served),
            ("Served by", each.by_basis),
            ("Registrations, by the answer to the notice", each.registrations),
            ("Complaints", each.complaints),
        )
        rows = [
            Row(f"{name}: {word}", str(count)) for name, counts in groups for word, count in counts.items()
        ]
        rows.append(Row("Did not want biometrics", str(each.declined), "served the same"))
        yield Section(f"Outcomes at {each.site}", (), tuple(rows))


def _refusals(found: Figures) -> Section:
    rows = [Row("All", rate_in_words(found.refusals), _of(found.refusals))]
    for each in found.cohorts:
        if each.refusals is None:
            rows.append(
                Row(each.cohort, "not shown", f"fewer than {SMALL_CELL} attempts here or in another group")
            )
        else:
            rows.append(Row(each.cohort, rate_in_words(each.refusals), _of(each.refusals)))
    if found.not_linked:
        rows.append(Row("Left out", str(found.not_linked), "services whose check-ins are not held here"))
    return Section(
        "Refusals, and how many were probably wrongful",
        (
            "Counted are people who came with a claim and were compared 1:1. Whom the comparison did not "
            "support, and staff served all the same, is taken for the right person: an estimate, not a "
            "finding. Who left without service after it is said beside it. The appliance's report of the "
            "day has the intervals.",
        ),
        tuple(rows),
    )


def _erasures(found: Figures) -> Section:
    rows = []
    still = [each for each in found.erasures if each.unconfirmed]
    rows.append(Row("Entries of shared galleries erased", str(len(found.erasures))))
    rows.append(Row("Of these, carried out by every appliance", str(len(found.erasures) - len(still))))
    for each in still:
        open_days = (found.made_ns - each.told_ns) / DAY_NS
        who = ", ".join(waits.device_id for waits in each.unconfirmed)
        rows.append(Row(f"Not yet everywhere, at {each.site}", f"{open_days:.1f} days", f"waits for {who}"))
    for lists in found.list_erasures:
        after = "not known" if lists.hours is None else f"{lists.hours:.1f} hours"
        rows.append(
            Row(
                f"List of {lists.cycle or lists.workflow} on {lists.device_id}",
                f"{lists.entries} entries",
                f"erased on {_moment(lists.erased_ns)}, {after} after it was taken up",
            )
        )
    rows += [
        Row(
            f"List of {kept.cycle or kept.workflow} on {kept.device_id}",
            f"{kept.entries} entries",
            f"taken up on {_moment(kept.loaded_ns)}; no receipt of its erasure yet",
        )
        for kept in found.open_lists
    ]
    return Section(
        "Erasures and their delays",
        (
            "An appliance carries an erasure out before anything else of its next sync. One that stays "
            "away opens its store no longer once its lease has lapsed; its backups were made before the "
            "erasure and still hold the entry, encrypted.",
        ),
        tuple(rows),
    )


def _exceptions(found: Figures) -> Section:
    rows = [
        Row(
            f"{each.reason}, at {each.site}",
            str(each.count),
            f"asked for by {each.operator}, signed by {each.supervisor}",
        )
        for each in found.exceptions
    ]
    rows.append(
        Row(
            "Households that collected more than once",
            str(found.double_collections),
            "nobody is denied for it",
        )
    )
    rows.append(Row("Of which reported by a household's owner", str(found.owner_conflicts)))
    return Section("Exceptions from the rules", (), tuple(rows))


def _devices(found: Figures) -> Section:
    rows = []
    for each in found.devices:
        notes = [f"certificate: {each.certificate}"]
        if each.ends_ns is not None:
            notes.append(f"{'ended' if each.ends_ns <= found.made_ns else 'until'} {_moment(each.ends_ns)}")
        if each.silent_days >= SILENT_DAYS:
            notes.append("SILENT: it registers nobody any more")
        if each.chain_breaks:
            notes.append(f"{each.chain_breaks} RANGES OF ITS RECORDS ARE NOT WHAT IT CHAINED")
        if each.disputed:
            notes.append("it came with fewer records than are held")
        if each.missing:
            notes.append(f"{each.missing} records missing")
        notes += [f"fault: {fault}" for fault in each.open_faults]
        rows.append(
            Row(
                f"{each.device_id} at {each.site}",
                f"heard of {each.silent_days:.1f} days ago",
                "; ".join(notes),
            )
        )
    return Section("Devices now", (), tuple(rows) or (Row("Devices", "0"),))


def _of(found: Refusals) -> str:
    settled = found.attempts - found.unsettled
    left = f"; {found.unsettled} more left without service" if found.unsettled else ""
    return f"{found.refused} of {settled} people{left}"


def _word(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d}"


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"
