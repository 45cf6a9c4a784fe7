"""Alerts as held: opened, seen again, worse, closed; hooks are told in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from aggregator.fleet.alerts import Alert, AlertKind, Finding, Severity
from aggregator.store import administration, hooks
from aggregator.store.port import Database

MINUTE_NS = 60 * 1_000_000_000
CLOSE_AFTER_NS = 10 * MINUTE_NS
"""What comes and goes within this time is one alert."""
NOTE_SEEN_NS = 3 * MINUTE_NS
KEEP_CLOSED_NS = 365 * 24 * 60 * MINUTE_NS
_COLUMNS = (
    "number, kind, severity, device_id, site, sentence, opened_ns, seen_ns, closed_ns, acknowledged_by, "
    "acknowledged_ns"
)


def reconcile(
    db: Database, findings: Iterable[Finding], now_ns: int, keep_open: Collection[AlertKind] = ()
) -> list[Alert]:
    """Hold what is so now against what is open; returns the alerts that were opened, got worse or closed.

    keep_open: kinds of which nothing is closed now, since too little is known yet.
    """
    before = {alert.subject: alert for alert in open_alerts(db)}
    changed: list[Alert] = []
    now_open: set[tuple[AlertKind, str, str]] = set()
    for finding in findings:
        now_open.add(finding.subject)
        alert = before.get(finding.subject)
        if alert is None:
            alert = _open(db, finding, now_ns)
            hooks.enqueue_alert(db, "opened", alert, now_ns)
            changed.append(alert)
        elif finding.severity is not alert.severity or now_ns - alert.seen_ns >= NOTE_SEEN_NS:
            db.execute(
                "UPDATE alerts SET severity = ?, sentence = ?, seen_ns = ? WHERE number = ?",
                (finding.severity.value, finding.sentence, now_ns, alert.number),
            )
            if finding.severity > alert.severity:
                worse = replace(alert, severity=finding.severity, sentence=finding.sentence, seen_ns=now_ns)
                hooks.enqueue_alert(db, "worse", worse, now_ns)
                changed.append(worse)
    for subject, alert in before.items():
        if subject in now_open or alert.kind in keep_open:
            continue
        # One of a site's devices is no alert of its own once the site is, and nobody is told that it ended.
        absorbed = bool(alert.device_id) and _of_site(alert, now_open)
        if absorbed or now_ns - alert.seen_ns >= CLOSE_AFTER_NS:
            db.execute("UPDATE alerts SET closed_ns = ? WHERE number = ?", (now_ns, alert.number))
            closed = replace(alert, closed_ns=now_ns)
            changed.append(closed)
            if not absorbed:
                hooks.enqueue_alert(db, "closed", closed, now_ns)
    return changed


def _of_site(alert: Alert, now_open: Collection[tuple[AlertKind, str, str]]) -> bool:
    kind = AlertKind.SITE_SILENT if alert.kind is AlertKind.DEVICE_SILENT else alert.kind
    return (kind, "", alert.site) in now_open or (
        kind is AlertKind.SITE_SILENT and (kind, "", "") in now_open
    )


def open_alerts(db: Database) -> list[Alert]:
    """Return what lasts, in the order of numbers."""
    return _alerts(db.execute(f"SELECT {_COLUMNS} FROM alerts WHERE closed_ns IS NULL ORDER BY number"))  # noqa: S608


def read(
    db: Database, *, closed: bool, site: str, limit: int, after: tuple[int, int, int] | None = None
) -> list[Alert]:
    """Return alerts, those that last first, by kind with people first, then the newest.

    closed: those that ended too. after: `place` of the last one of the page before.
    """
    order = " ".join(f"WHEN '{kind.value}' THEN {place}" for place, kind in enumerate(AlertKind))
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM (
                SELECT alerts.*, CASE WHEN closed_ns IS NULL THEN 0 ELSE 1 END AS ended,
                    CASE kind {order} ELSE 99 END AS kind_place, -number AS newest
                FROM alerts
                WHERE (closed_ns IS NULL OR :closed = 1) AND (:site = '' OR site = :site)) AS found
            WHERE (ended, kind_place, newest) > (:ended, :kind_place, :newest)
            ORDER BY ended, kind_place, newest LIMIT :limit""",  # noqa: S608
        {
            "closed": int(closed),
            "site": site,
            "limit": limit,
            **dict(zip(("ended", "kind_place", "newest"), after or (-1, 0, 0), strict=True)),
        },
    )
    return _alerts(rows)


def place(alert: Alert) -> tuple[int, int, int]:
    """Return where an alert stands in the order of `read`."""
    return int(alert.closed_ns is not None), list(AlertKind).index(alert.kind), -alert.number


def counts(db: Database) -> Mapping[tuple[AlertKind, Severity], int]:
    """Return how many alerts last, by kind and severity."""
    rows = db.execute(
        "SELECT kind, severity, count(*) FROM alerts WHERE closed_ns IS NULL GROUP BY kind, severity"
    )
    return {(AlertKind(kind), Severity(severity)): count for kind, severity, count in rows}


def acknowledge(db: Database, number: int, now_ns: int, actor: str) -> Alert | None:
    """Say that somebody looks after it; the first to say so is kept. None where there is no such alert."""
    taken = db.execute(
        """UPDATE alerts SET acknowledged_by = ?, acknowledged_ns = ?
           WHERE number = ? AND acknowledged_ns IS NULL""",
        (actor, now_ns, number),
    ).rowcount
    found = _alerts(db.execute(f"SELECT {_COLUMNS} FROM alerts WHERE number = ?", (number,)))  # noqa: S608
    if found and taken:
        alert = found[0]
        subject = f"{number} {alert.kind.value} {alert.device_id or alert.site}".rstrip()
        administration.append(db, now_ns, actor, "alert acknowledged", subject)
    return found[0] if found else None


def forget(db: Database, now_ns: int) -> None:
    """Erase what ended a year ago."""
    db.execute("DELETE FROM alerts WHERE closed_ns < ?", (now_ns - KEEP_CLOSED_NS,))


def _open(db: Database, finding: Finding, now_ns: int) -> Alert:
    (number,) = db.execute(
        """INSERT INTO alerts (kind, severity, device_id, site, sentence, opened_ns, seen_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number""",
        (
            finding.kind.value, finding.severity.value, finding.device_id, finding.site, finding.sentence,
            now_ns, now_ns,
        ),
    ).fetchone()  # fmt: skip
    return Alert(
        number, finding.kind, finding.severity, finding.device_id, finding.site, finding.sentence,
        now_ns, now_ns, None, "", None,
    )  # fmt: skip


def _alerts(rows: Iterable[tuple[Any, ...]]) -> list[Alert]:
    return [
        Alert(number, AlertKind(kind), Severity(severity), *rest) for number, kind, severity, *rest in rows
    ]
