"""Sites, groups and labels; a change puts the desired states of the devices that it touches together anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from aggregator.fleet.budget import day_of
from aggregator.fleet.filters import FilterRefused, parse, parse_stable
from aggregator.fleet.terms import MAX_LABELS, Group, Invalid, Missing, Scope, ScopeKind, Site, Stale
from aggregator.store import administration, fleet_artifacts, fleet_desires
from aggregator.store.fleet_states import recompute, stable_facts, to_labels, to_window
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from trust.names import NAMES, is_name

MAX_RANK = 1_000_000
MAX_TITLE = 200
_SITES = """
    SELECT name, coalesce(revision, 0), coalesce(title, ''), coalesce(labels, '{}'), latitude, longitude,
        service_window, coalesce(daily_budget_bytes, 0), coalesce(megabyte_cost_milli, 0),
        coalesce(currency, ''), coalesce(support_consent_until_ns, 0), devices
    FROM (SELECT name FROM sites UNION SELECT site FROM devices WHERE site <> '') AS names
    LEFT JOIN sites USING (name)
    LEFT JOIN (SELECT site, count(*) AS devices FROM devices GROUP BY site) AS counts ON counts.site = name"""


def find_site(db: Database, name: str) -> Site | None:
    """Return a site; one that only devices name has revision 0."""
    row = db.execute(f"{_SITES} WHERE name = ?", (name,)).fetchone()
    return None if row is None else _site(row)


def read_sites(db: Database, after: str = "", limit: int = 1_000_000) -> tuple[Site, ...]:
    """Return the sites after a name, those too that only devices name."""
    return tuple(map(_site, db.execute(f"{_SITES} WHERE name > ? ORDER BY name LIMIT ?", (after, limit))))


def put_site(
    db: Database, site: Site, *, revision: int | None, allow_missing: bool, now_ns: int, actor: str
) -> Site | Stale | Missing | Invalid:
    """Keep a site as it is now; revision: as the caller read it, None for whatever is there."""
    if not is_name(site.name):
        return Invalid("site.name", NAMES)
    before = find_site(db, site.name)
    if before is None and not allow_missing:
        return Missing("site", site.name)
    if revision is not None and revision != (before.revision if before else 0):
        return Stale(before.revision if before else 0)
    if (invalid := _check_site(site)) is not None:
        return invalid
    kept = msgspec.structs.replace(site, revision=(before.revision if before else 0) + 1)
    window = None if kept.window is None else msgspec.json.encode(kept.window).decode()
    db.execute(
        """INSERT INTO sites (name, revision, title, labels, latitude, longitude, service_window,
               daily_budget_bytes, megabyte_cost_milli, currency, support_consent_until_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, title = excluded.title,
               labels = excluded.labels, latitude = excluded.latitude, longitude = excluded.longitude,
               service_window = excluded.service_window, daily_budget_bytes = excluded.daily_budget_bytes,
               megabyte_cost_milli = excluded.megabyte_cost_milli, currency = excluded.currency,
               support_consent_until_ns = excluded.support_consent_until_ns""",
        (
            kept.name, kept.revision, kept.title, _column(kept.labels), kept.latitude, kept.longitude, window,
            kept.daily_budget_bytes, kept.megabyte_cost_milli, kept.currency, kept.support_consent_until_ns,
        ),
    )  # fmt: skip
    administration.append(db, now_ns, actor, "site changed", site.name)
    if before is None or before.labels != kept.labels:  # groups may rest on them
        recompute(db, now_ns, fleet_desires.touched(db, Scope(ScopeKind.SITE, site.name)))
    return find_site(db, site.name) or kept


def without_consent(db: Database, device_ids: Collection[str], now_ns: int) -> str | None:
    """Return a site of these devices that does not agree to be looked into now, None where all do."""
    rows = rows_of(
        db,
        """SELECT site FROM devices LEFT JOIN sites ON sites.name = devices.site
           WHERE coalesce(support_consent_until_ns, 0) <= ? AND device_id IN (?*) ORDER BY site""",
        device_ids,
        now_ns,
    )
    return next((site for (site,) in rows), None)


def day_of_site(db: Database, name: str, now_ns: int) -> tuple[str, int]:
    """Return the day at a site by its own clock, and in how many seconds the next begins."""
    row = db.execute("SELECT service_window FROM sites WHERE name = ?", (name,)).fetchone()
    return day_of(None if row is None else to_window(row[0]), now_ns)


def budget_bytes(db: Database, name: str) -> int:
    """Return what a day's updates may take at a site, 0 for no limit."""
    row = db.execute("SELECT daily_budget_bytes FROM sites WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def spend(db: Database, device_id: str, count: int, now_ns: int) -> None:
    """Count bytes that a device sent at somebody's wish in the day of its site."""
    (site,) = db.execute("SELECT site FROM devices WHERE device_id = ?", (device_id,)).fetchone()
    fleet_artifacts.take(db, site, day_of_site(db, site, now_ns)[0], count, 0)


def find_group(db: Database, name: str) -> Group | None:
    """Return a group, with how many devices are in it."""
    row = db.execute(
        "SELECT name, revision, filter, title, rank FROM device_groups WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    name, revision, text, title, rank = row
    return Group(name, revision, text, title, rank, len(fleet_desires.members(db, text)))


def read_groups(db: Database, after: str = "", limit: int = 1_000_000) -> tuple[Group, ...]:
    """Return the groups after a name."""
    rows = db.execute(
        "SELECT name, revision, filter, title, rank FROM device_groups WHERE name > ? ORDER BY name LIMIT ?",
        (after, limit),
    ).fetchall()
    devices = list(stable_facts(db)) if rows else []
    return tuple(
        Group(name, revision, text, title, rank, sum(map(parse(text).holds, devices)))
        for name, revision, text, title, rank in rows
    )


def put_group(
    db: Database, group: Group, *, revision: int | None, allow_missing: bool, now_ns: int, actor: str
) -> Group | Stale | Missing | Invalid:
    """Keep a group as it is now; revision: as the caller read it, None for whatever is there."""
    if (invalid := _check_group(group)) is not None:
        return invalid
    row = db.execute(
        "SELECT revision, filter, rank FROM device_groups WHERE name = ?", (group.name,)
    ).fetchone()
    if row is None and not allow_missing:
        return Missing("group", group.name)
    here, old_filter, old_rank = row or (0, "", group.rank)
    if revision is not None and revision != here:
        return Stale(here)
    before = fleet_desires.members(db, old_filter) if old_filter else set()
    db.execute(
        """INSERT INTO device_groups (name, revision, title, filter, rank) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, title = excluded.title,
               filter = excluded.filter, rank = excluded.rank""",
        (group.name, here + 1, group.title, group.filter, group.rank),
    )
    after = fleet_desires.members(db, group.filter)
    administration.append(
        db, now_ns, actor, "group changed", f"{group.name}: {group.filter}, rank {group.rank}"
    )
    recompute(db, now_ns, before | after if old_rank != group.rank else before ^ after)
    return msgspec.structs.replace(group, revision=here + 1, devices=len(after))


def delete_group(
    db: Database, name: str, *, revision: int | None, now_ns: int, actor: str
) -> Group | Stale | Missing:
    """Take a group away with what is desired in it; returns what it was."""
    group = find_group(db, name)
    if group is None:
        return Missing("group", name)
    if revision is not None and revision != group.revision:
        return Stale(group.revision)
    before = fleet_desires.members(db, group.filter)
    db.execute("DELETE FROM device_groups WHERE name = ?", (name,))
    fleet_desires.forget(db, Scope(ScopeKind.GROUP, name))
    administration.append(db, now_ns, actor, "group deleted", name)
    recompute(db, now_ns, before)
    return group


def put_labels(
    db: Database, device_id: str, labels: Mapping[str, str], *, revision: int | None, now_ns: int, actor: str
) -> Stale | Missing | Invalid | None:
    """Give a device these labels and no others; None where that was done."""
    row = db.execute("SELECT revision, labels FROM devices WHERE device_id = ?", (device_id,)).fetchone()
    if row is None:
        return Missing("device", device_id)
    if revision is not None and revision != row[0]:
        return Stale(row[0])
    if (invalid := _check_labels("device.labels", labels)) is not None:
        return invalid
    if to_labels(row[1]) != labels:
        db.execute(
            "UPDATE devices SET labels = ?, revision = revision + 1 WHERE device_id = ?",
            (_column(labels), device_id),
        )
        shown = ", ".join(f"{key} = {value}" for key, value in sorted(labels.items())) or "none"
        administration.append(db, now_ns, actor, "labels changed", f"{device_id}: {shown}")
        recompute(db, now_ns, {device_id})
    return None


def _check_site(site: Site) -> Invalid | None:
    if (invalid := _check_labels("site.labels", site.labels)) is not None:
        return invalid
    if not _fits(site.title):
        return Invalid("site.title", f"write one line of at most {MAX_TITLE} characters")
    for field, value, limit in (("latitude", site.latitude, 90.0), ("longitude", site.longitude, 180.0)):
        if value is not None and not -limit <= value <= limit:  # not a number is neither
            return Invalid(f"site.{field}", f"degrees go from -{limit:.0f} to {limit:.0f}")
    if site.currency and not (
        len(site.currency) == 3 and site.currency.isascii() and site.currency.isupper()
    ):
        return Invalid("site.currency", "write the three letters of ISO 4217, as KES")
    if site.megabyte_cost_milli and not site.currency:
        return Invalid("site.currency", "a cost has a currency: write its three letters, as KES")
    if site.daily_budget_bytes >= 2**63:
        return Invalid("site.daily_budget_bytes", "it must be below 2^63; 0 is no limit")
    return None


def _check_group(group: Group) -> Invalid | None:
    if not is_name(group.name):
        return Invalid("group.name", NAMES)
    if not _fits(group.title):
        return Invalid("group.title", f"write one line of at most {MAX_TITLE} characters")
    if group.rank > MAX_RANK:
        return Invalid("group.rank", f"ranks go from 0 to {MAX_RANK}")
    try:
        parse_stable(group.filter)
    except FilterRefused as refused:
        return Invalid("group.filter", str(refused))
    return None


def _check_labels(field: str, labels: Mapping[str, str]) -> Invalid | None:
    if len(labels) > MAX_LABELS:
        return Invalid(field, f"there can be {MAX_LABELS} labels at most")
    for key, value in labels.items():
        if not is_name(key) or not is_name(value):
            return Invalid(f"{field}.{key}", f"of keys and values: {NAMES}")
    return None


def _fits(title: str) -> bool:
    return len(title) <= MAX_TITLE and (title.isprintable() or not title)


def _column(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels, order="sorted").decode()


def _site(row: tuple[object, ...]) -> Site:
    values = dict(zip(Site.__struct_fields__, row, strict=True))
    values |= {
        "labels": to_labels(str(values["labels"])),
        "window": to_window(None if values["window"] is None else str(values["window"])),
        "devices": values["devices"] or 0,
    }
    return Site(**values)  # type: ignore[arg-type]
