"""Alerts over time: one for each trouble, told once, and no storm when a site or the aggregator goes away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import structlog

from aggregator.fleet.alerts import Alert, AlertKind, Finding, Severity
from aggregator.fleet.heard import HOUR_NS, WEEK_H
from aggregator.fleet.hooks import Hook
from aggregator.store import alerts, hooks
from aggregator.store.database import open_reader, open_writer
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.watching import AGGREGATOR, read_heard, write_heard
from aggregator.store.writer import StoreWriter
from aggregator.watch import Watch

MINUTE_NS = 60 * 1_000_000_000
MONDAY = 2_900 * WEEK_H
HOT = Finding(AlertKind.TOO_HOT, Severity.WARNING, "kit-1", "north", "kit-1 is 81 °C.")
EVERYTHING = Hook("ops", 0, "https://ops.example/alerts", "", Severity.NOTICE, (), False, False, "")


@pytest.fixture
def db(store: Place) -> Iterator[Database]:
    with open_writer(store, None) as db:
        hooks.put(db, EVERYTHING, bytes(32), 0, "administrator ada", allow_missing=True)
        yield db


def told(db: Database) -> list[str]:
    rows = db.execute("SELECT body FROM deliveries ORDER BY number").fetchall()
    return [msgspec.json.decode(body)["type"] for (body,) in rows]


def test_a_trouble_is_one_alert_from_its_beginning_to_its_end(db: Database) -> None:
    (opened,) = alerts.reconcile(db, [HOT], 0)
    assert alerts.reconcile(db, [HOT], MINUTE_NS) == []
    hotter = msgspec.structs.replace(HOT, severity=Severity.URGENT, sentence="kit-1 is 86 °C.")
    (worse,) = alerts.reconcile(db, [hotter], 2 * MINUTE_NS)
    assert (worse.number, worse.severity) == (opened.number, Severity.URGENT)
    assert alerts.reconcile(db, [], 5 * MINUTE_NS) == [], "it may come back at once"
    assert alerts.reconcile(db, [hotter], 6 * MINUTE_NS) == []
    (closed,) = alerts.reconcile(db, [], 16 * MINUTE_NS)
    assert (closed.number, closed.closed_ns) == (opened.number, 16 * MINUTE_NS)
    assert told(db) == ["alert.opened", "alert.worse", "alert.closed"]
    assert alerts.read(db, closed=False, site="", limit=10) == []
    assert [each.number for each in alerts.read(db, closed=True, site="north", limit=10)] == [opened.number]


def test_devices_of_a_site_that_falls_silent_make_way_for_the_site_without_a_word(db: Database) -> None:
    devices = [
        Finding(AlertKind.DEVICE_SILENT, Severity.WARNING, f"kit-{number}", "north", "…")
        for number in range(2)
    ]
    alerts.reconcile(db, devices, 0)
    alerts.reconcile(db, [Finding(AlertKind.SITE_SILENT, Severity.URGENT, "", "north", "…")], MINUTE_NS)
    assert [(each.kind, each.device_id) for each in alerts.open_alerts(db)] == [(AlertKind.SITE_SILENT, "")]
    assert told(db) == ["alert.opened"] * 3


def test_people_come_first_and_pages_go_on_where_the_last_one_ended(db: Database) -> None:
    findings = [
        HOT,
        Finding(AlertKind.NUMBERS_MISSING, Severity.WARNING, "kit-2", "north", "…"),
        Finding(AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT, "kit-3", "south", "…"),
        Finding(AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT, "kit-4", "south", "…"),
    ]
    alerts.reconcile(db, findings, 0)
    seen: list[Alert] = []
    while page := alerts.read(
        db, closed=True, site="", limit=1, after=alerts.place(seen[-1]) if seen else None
    ):
        seen += page
    assert [each.device_id for each in seen] == ["kit-4", "kit-3", "kit-2", "kit-1"]
    assert len(alerts.read(db, closed=True, site="south", limit=10)) == 2
    assert alerts.counts(db)[AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT] == 2


def test_a_hook_is_told_of_its_sites_and_from_its_severity_on(db: Database) -> None:
    urgent = msgspec.structs.replace(
        EVERYTHING, name="phone", from_severity=Severity.URGENT, sites=("south",)
    )
    hooks.put(db, urgent, bytes(32), 0, "administrator ada", allow_missing=True)
    for site, severity in (
        ("south", Severity.WARNING),
        ("north", Severity.URGENT),
        ("south", Severity.URGENT),
    ):
        finding = Finding(AlertKind.TOO_HOT, severity, f"{site}-{severity}", site, "…")
        alerts.reconcile(db, [*map(as_finding, alerts.open_alerts(db)), finding], 0)
    rows = db.execute("SELECT subject FROM deliveries WHERE hook = 'phone'").fetchall()
    assert rows == [("urgent: too hot, south-3",)]


def test_a_hook_that_moves_has_a_new_key_and_is_not_told_what_the_old_place_missed(db: Database) -> None:
    alerts.reconcile(db, [HOT], 0)
    moved = msgspec.structs.replace(EVERYTHING, url="https://new.example/")
    hook, key = hooks.put(db, moved, b"k" * 32, 0, "administrator ada", allow_missing=False)  # type: ignore[misc]
    assert (hook.revision, key, told(db)) == (2, b"k" * 32, [])
    same, no_key = hooks.put(db, moved, b"x" * 32, 0, "administrator ada", allow_missing=False)  # type: ignore[misc]
    assert (same.revision, no_key, hooks.key_of(db, "ops")) == (3, b"", b"k" * 32)


def as_finding(alert: Alert) -> Finding:
    return Finding(alert.kind, alert.severity, alert.device_id, alert.site, alert.sentence)


@dataclass
class Desk:
    """An aggregator whose time and connections are in the test's hands."""

    path: Path
    hour: float = float(MONDAY - 4 * WEEK_H)
    connected: set[str] = field(default_factory=set)
    jumped_hours: float = 0.0

    def now_ns(self) -> int:
        return int(self.hour * HOUR_NS)

    async def look(self, *hours: float, jump_to: float | None = None) -> list[tuple[AlertKind, str, str]]:
        """Start, look at each hour, and at one to which the clock is set, and stop; returns what lasts."""
        store = StoreWriter(self.path, wall_ns=self.now_ns, max_bytes=None, on_fault=lambda _fault: None)
        await store.open()
        view = StoreView(self.path, self.now_ns)
        await view.open()
        self.hour = hours[0]
        watch = Watch(
            store,
            view,
            lambda: frozenset(self.connected),
            self.now_ns,
            structlog.get_logger(),
            monotonic_ns=lambda: self.now_ns() - int(self.jumped_hours * HOUR_NS),
        )
        for hour in hours:
            self.hour = hour
            await store.submit(self._hear)
            await watch.turn()
        if jump_to is not None:
            self.jumped_hours, self.hour = jump_to - self.hour, jump_to
            await watch.turn()
        found = await view.read(alerts.open_alerts)
        await view.close()
        await store.close()
        return [each.subject for each in found]

    def _hear(self, db: Database) -> None:
        for device_id in self.connected:
            db.execute(
                """INSERT INTO devices (device_id, site, software_version, first_seen_ns, last_seen_ns)
                   VALUES (?, ?, '', ?, ?)
                   ON CONFLICT (device_id) DO UPDATE SET last_seen_ns = excluded.last_seen_ns""",
                (device_id, device_id.partition("-")[0], self.now_ns(), self.now_ns()),
            )


async def test_a_site_that_goes_away_and_an_aggregator_that_restarts_make_no_storm(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "store.db", connected={f"north-{n}" for n in range(5)} | {"south-1"})
    with open_writer(desk.path, None) as db, db.atomic():
        always = [
            (device_id, week, 2**WEEK_H - 1)
            for device_id in (*desk.connected, AGGREGATOR)
            for week in (MONDAY // WEEK_H - 2, MONDAY // WEEK_H - 1)
        ]
        write_heard(db, always)
    assert await desk.look(MONDAY + 0.5) == []
    # The aggregator was away for six hours, and comes back before any device has.
    desk.connected.clear()
    assert await desk.look(MONDAY + 6.4, MONDAY + 6.5, MONDAY + 6.6) == []
    desk.connected = {"south-1"}
    assert await desk.look(*[MONDAY + 7 + minute / 60 for minute in range(0, 61, 10)]) == [
        (AlertKind.SITE_SILENT, "", "north")
    ]
    with open_reader(desk.path) as db:
        assert len(read_heard(db, desk.now_ns())) == 7, "six devices and the aggregator itself"
    # A restart while it lasts closes nothing and opens nothing anew.
    assert await desk.look(MONDAY + 8.5) == [(AlertKind.SITE_SILENT, "", "north")]
    desk.connected |= {f"north-{n}" for n in range(5)}
    assert await desk.look(*[MONDAY + 9 + minute / 60 for minute in range(0, 61, 10)]) == []


async def test_a_clock_that_is_set_makes_nobody_silent_and_erases_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "store.db", connected={"north-1", "south-1"})
    await desk.look(MONDAY + 0.5)
    desk.connected.clear()
    assert await desk.look(MONDAY + 0.6, jump_to=MONDAY + 52 * WEEK_H) == []
    with open_reader(desk.path) as db:
        assert set(read_heard(db, MONDAY * HOUR_NS)) == {"north-1", "south-1"}
