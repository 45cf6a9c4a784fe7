"""A store filled as a large fleet would have filled it, in seconds: for benches, screens and a few tests."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from aggregator.fleet.tallies import (
    ANSWERS,
    CHECK_INS,
    CLAIMS,
    EXCEPTIONS,
    HOUR_NS,
    SERVICE_MS,
    WRONGLY_REFUSED,
    cohort_claims,
    cohort_wrongly_refused,
)
from aggregator.fleet.terms import Group, Site
from aggregator.records import Mode, Outcome
from aggregator.store.fleet_inventory import put_group, put_site
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS
from trust.service import Answer, Reason, Workflow
from trust.state import (
    Artifact,
    ArtifactKind,
    DesiredResult,
    Refusal,
    ReportedState,
    ServiceWindow,
    state_digest,
)
from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, StageSummary, Telemetry

PLACES = (
    ("kakuma", 3.71, 34.86), ("dadaab", 0.05, 40.31), ("juba", 4.85, 31.58), ("goma", -1.66, 29.22),
    ("cox", 21.43, 92.01), ("zaatari", 32.29, 36.32), ("bidibidi", 3.46, 31.35), ("maiduguri", 11.83, 13.15),
    ("agadez", 16.97, 7.99), ("cucuta", 7.89, -72.50), ("herat", 34.35, 62.20), ("aden", 12.79, 45.02),
)  # fmt: skip
COHORTS = ("woman 18-59", "man 18-59", "woman 60+", "man 60+", "girl 5-17", "boy 5-17")
VERSIONS = ("0.9.4", "1.0.0", "1.0.1")
SETTINGS = {"session.tries": "3", "telemetry.period_s": "900"}
POINT = Artifact(ArtifactKind.OPERATING_POINT, "default-7", "ab" * 32, 4_180)
REFUSES = "kit-00007"
_MINUTE_NS = 60_000_000_000


def fill(db: Database, devices: int = 10_000, *, hours: int = 24 * 7, seed: int = 7) -> frozenset[str]:
    """Fill a new store with so many devices, a twenty-fifth of it sites; returns which are connected.

    hours: how far back people were served, eight hours of each day.
    """
    rng = random.Random(seed)  # noqa: S311 -- the same fleet each time
    sites = [_site(number, rng) for number in range(max(1, devices // 25))]
    names = [f"kit-{number:05}" for number in range(1, devices + 1)]
    of_site = {name: sites[number % len(sites)].name for number, name in enumerate(names)}
    for site in sites:
        put_site(db, site, revision=None, allow_missing=True, now_ns=NOW_NS, actor="filler")
    states = {name: rng.choices(("on", "off", "silent", "revoked"), (86, 9, 4, 1))[0] for name in names}
    _devices(db, names, of_site, states, rng)
    _reports(db, names, rng)
    _telemetry(db, names, rng)
    _hours(db, sites, names, of_site, hours, rng)
    for group in (
        Group("early", 0, 'labels.ring = "early"', "Updates first"),
        Group("desert", 0, 'site.labels.climate = "desert"', "Hot and dusty", 5),
    ):
        put_group(db, group, revision=None, allow_missing=True, now_ns=NOW_NS, actor="filler")
    return frozenset(name for name, state in states.items() if state == "on")


def _site(number: int, rng: random.Random) -> Site:
    place, latitude, longitude = PLACES[number % len(PLACES)]
    return Site(
        f"{place}-{number // len(PLACES) + 1}",
        0,
        labels={"climate": "desert" if latitude > 10 else "humid"},
        latitude=round(latitude + rng.gauss(0, 1.2), 3),
        longitude=round(longitude + rng.gauss(0, 1.2), 3),
        window=ServiceWindow("Africa/Nairobi", 20 * 3600, 5 * 3600),
        daily_budget_bytes=200_000_000,
    )


def _devices(
    db: Database, names: list[str], of_site: dict[str, str], states: dict[str, str], rng: random.Random
) -> None:
    day_ns = 24 * HOUR_NS
    for number, name in enumerate(names, 1):
        state = states[name]
        away_ns = {"on": 0, "off": rng.randrange(HOUR_NS, 8 * HOUR_NS)}.get(
            state, rng.randrange(3, 40) * day_ns
        )
        ring = rng.choices(("early", "main", "late"), (5, 75, 20))[0]
        db.execute(
            """INSERT INTO devices (device_id, site, software_version, first_seen_ns, last_seen_ns, labels,
                   usual_silence_ns) VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (
                name, of_site[name], rng.choices(VERSIONS, (5, 65, 30))[0], NOW_NS - 200 * day_ns,
                NOW_NS - away_ns, msgspec.json.encode({"ring": ring}).decode(), 14 * HOUR_NS,
            ),
        )  # fmt: skip
        top = rng.randrange(2_000, 60_000)
        held = top - (rng.randrange(1, 30) if rng.random() < 0.02 else 0)
        db.execute(
            "INSERT INTO outboxes (device_id, epoch, acked_seq, top_seq, held, told_seq) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (name, number.to_bytes(16, "big"), held, top, held, top),
        )
        db.execute(
            """INSERT INTO enrolments (device_id, site, public_key, state, requested_ns)
               VALUES (?, ?, ?, ?, ?)""",
            (
                name,
                of_site[name],
                b"key of " + name.encode(),
                "revoked" if state == "revoked" else "approved",
                NOW_NS,
            ),
        )
        if rng.random() < 0.02:
            part, fault = rng.choice(
                (("camera", "SensorTimeout"), ("fingerprint", "SensorGone"), ("store", "StoreFull"))
            )
            db.execute(
                "INSERT INTO open_faults (device_id, part, fault, since_ns) VALUES (?, ?, ?, ?)",
                (name, part, fault, NOW_NS - HOUR_NS),
            )


def _reports(db: Database, names: list[str], rng: random.Random) -> None:
    """Desired of all, reported by most, refused by a few."""
    digest = state_digest(SETTINGS, (POINT,))
    content = msgspec.json.encode({"settings": SETTINGS, "artifacts": (POINT,)}).decode()
    db.execute("INSERT INTO desired_contents (digest, content) VALUES (?, ?)", (digest, content))
    db.execute(
        """INSERT INTO desires (scope, subject, revision, content, changed_ns, changed_by)
           VALUES ('fleet', '', 1, ?, ?, 'operator amina')""",
        (content, NOW_NS - 24 * HOUR_NS),
    )
    for name in names:
        db.execute(
            """INSERT INTO desired_states (device_id, generation, digest, remarks, changed_ns)
               VALUES (?, 1, ?, '[]', ?)""",
            (name, digest, NOW_NS - 24 * HOUR_NS),
        )
        db.execute(
            "INSERT INTO desired_generations (device_id, generation, digest) VALUES (?, 1, ?)", (name, digest)
        )
        result = rng.choices(
            (DesiredResult.APPLIED, DesiredResult.WAITING, DesiredResult.REFUSED, DesiredResult.ROLLED_BACK),
            (95, 3, 1.5, 0.5),
        )[0]
        if name == REFUSES:
            result = DesiredResult.REFUSED
        applied = result is DesiredResult.APPLIED
        refusals = (Refusal("settings.session.tries", "3 is more than the policy allows: lower it to 2"),)
        report = ReportedState(
            1,
            result,
            digest if applied else "",
            refusals if result is DesiredResult.REFUSED else (),
            "1.0.0",
            SETTINGS if applied else {**SETTINGS, "session.tries": "2"},
            (POINT,) if applied else (),
            tuple(SETTINGS),
        )
        drift = [] if applied else ["settings.session.tries", "artifacts.operating_point"]
        db.execute(
            """INSERT INTO reported_states (device_id, generation, result, content, received_ns, doubt, drift)
               VALUES (?, 1, ?, ?, ?, '', ?)""",
            (
                name, result.value, msgspec.json.encode(report).decode(), NOW_NS - HOUR_NS,
                msgspec.json.encode(drift).decode(),
            ),
        )  # fmt: skip


def _telemetry(db: Database, names: list[str], rng: random.Random) -> None:
    """The newest of each, and two days of the first hundred."""
    for number, name in enumerate(names):
        last = measured(rng, 0)
        row = (name, NOW_NS - 5 * _MINUTE_NS, "synchronised", msgspec.json.encode(last).decode())
        db.execute(
            "INSERT INTO latest_telemetry (device_id, at_ns, clock_quality, content) VALUES (?, ?, ?, ?)", row
        )
        if number < 100:
            rows = [
                (
                    name,
                    NOW_NS - back * 15 * _MINUTE_NS,
                    back,
                    msgspec.json.encode(measured(rng, back)).decode(),
                )
                for back in range(1, 193)
            ]
            db.execute_many("INSERT INTO telemetry VALUES (?, ?, ?, ?)", rows)


def measured(rng: random.Random, back: int) -> Telemetry:
    """Return what a device tells of a quarter of an hour, so many quarters ago."""
    serves = 6 <= (9 - back // 4) % 24 <= 16
    samples = rng.randrange(20, 40) if serves else 0
    return Telemetry(
        period_s=900,
        uptime_s=900 * max(1, 400 - back),
        memory_resident_mb=182 + rng.randrange(12),
        memory_available_mb=380 - rng.randrange(60),
        disk_free_mb=21_000 - (200 - back) * 3,
        store_used_percent=31,
        waiting=rng.randrange(40) if rng.random() < 0.1 else 0,
        cpu_decidegrees=520
        + (140 if serves else 0)
        + rng.randrange(40)
        + (140 if rng.random() < 0.01 else 0),
        throttled=0x50000 if rng.random() < 0.1 else 0,
        queue=rng.randrange(14) if serves else 0,
        sensors=(
            SensorHealth(
                "fingerprint", True, samples, samples // 12, samples * rng.randrange(62, 78), samples // 30
            ),
            SensorHealth("camera", True, samples, samples // 20, samples * rng.randrange(70, 84), 0),
        ),
        outcomes=(
            OutcomeCount("verify", "match", samples),
            OutcomeCount("verify", "no match", samples // 25),
        ),
        stages=(StageSummary("capture", samples, 1_450, 3_900), StageSummary("compare", samples, 9, 15)),
        link=LinkUse(42_000 + rng.randrange(9_000), 3_100, 1 if rng.random() < 0.05 else 0),
        certificate_ends_s=NOW_NS // 1_000_000_000 + 40 * 86_400,
    )


def _hours(
    db: Database, sites: list[Site], names: list[str], of_site: dict[str, str], hours: int, rng: random.Random
) -> None:
    """People served in eight hours of each day, by device for a day and by site for all of the time."""
    now_hour = NOW_NS // HOUR_NS
    served_hours = [hour for hour in range(now_hour - hours, now_hour + 1) if 6 <= hour % 24 < 14]
    db.execute_many(
        "INSERT INTO hourly VALUES (?, ?, ?, ?)",
        (
            (what, hour, name, count)
            for hour in served_hours[-8:]
            for name in names
            for what, count in _counts(rng.randrange(8, 26), rng)
        ),
    )
    db.execute_many(
        "INSERT INTO hourly_of_sites VALUES (?, ?, ?, ?)",
        (
            (what, hour, site.name, count)
            for hour in served_hours
            for site in sites
            for what, count in _counts(len(names) // len(sites) * rng.randrange(8, 26), rng)
        ),
    )
    db.execute("""
        INSERT INTO hourly_of_sites SELECT what, hour, '*', sum(count) FROM hourly_of_sites
        GROUP BY what, hour""")
    db.execute("""
        INSERT INTO daily_of_sites SELECT what, hour / 24, site, sum(count) FROM hourly_of_sites
        GROUP BY 1, 2, 3""")


def _counts(people: int, rng: random.Random) -> Iterator[tuple[str, int]]:
    desk, exceptions = people // 40, people // 60
    yield ANSWERS[Workflow.DISTRIBUTION, Answer.GIVEN], people - desk
    if desk:
        yield ANSWERS[Workflow.DISTRIBUTION, Answer.DESK], desk
    yield SERVICE_MS[Workflow.DISTRIBUTION], people * rng.randrange(17_000, 26_000)
    yield CHECK_INS[Mode.VERIFY, Outcome.MATCH], people - exceptions
    if exceptions:
        yield CHECK_INS[Mode.VERIFY, Outcome.NO_MATCH], exceptions
        yield CHECK_INS[Mode.VERIFY, Outcome.RETRY], exceptions
        yield EXCEPTIONS[Reason.WORN_FINGERS], exceptions
        yield WRONGLY_REFUSED, exceptions
    yield CLAIMS, people
    for number, cohort in enumerate(COHORTS):
        part = people // (3 + 4 * number)
        if part:
            yield cohort_claims(cohort), part
        if part // 40:
            yield cohort_wrongly_refused(cohort), part // 40
