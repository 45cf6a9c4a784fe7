"""The metrics endpoint, read as Prometheus reads it: with the library's own parsers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.metrics import create_app
from aggregator.store import alerts, measures
from aggregator.store.database import open_writer
from aggregator.store.port import Database
from firmware.records import Measured
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.store_values import check_in
from tests.kit.telemetry_sender import Sender
from tests.kit.telemetry_values import QUIET

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOT = Finding(AlertKind.TOO_HOT, Severity.WARNING, "kit-1", "north-gate", "…")


class Fleet:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.now_ns = NOW_NS
        self.reads = 0

    async def measures(self) -> measures.Measures:
        self.reads += 1
        return measures.read(self.db)

    @asynccontextmanager
    async def scraper(self) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(self.measures, lambda: {"kit-1"}, lambda: self.now_ns)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with open_writer(tmp_path / "store.db", None) as db:
        for device in ("kit-1", "kit-2"):
            Sender(db, device).send(check_in(1), Measured(QUIET))
        alerts.reconcile(db, [HOT], NOW_NS)
        yield Fleet(db)


async def test_prometheus_reads_the_fleet_in_both_of_its_formats(fleet: Fleet) -> None:
    async with fleet.scraper() as client:
        plain = await client.get("/metrics")
        modern = await client.get("/metrics", headers={"Accept": OPENMETRICS})
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    modern_families = read_openmetrics(modern.text)  # type: ignore[no-untyped-call]
    for families in (read_text(plain.text), modern_families):
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
        of_kit = (("device", "kit-1"), ("site", "north-gate"))
        assert samples["aidpost_events_total",] == 4
        assert samples["aidpost_results_total", ("outcome", "suggestion")] == 2
        assert samples["aidpost_devices", ("state", "connected")] == 1
        assert samples["aidpost_alerts", ("kind", "too hot"), ("severity", "warning")] == 1
        assert samples["aidpost_device_cpu_celsius", *of_kit] == 48
        assert samples["aidpost_device_connected", *of_kit] == 1
        assert samples["aidpost_device_store_used_ratio", *of_kit] == 0.07


async def test_a_device_costs_few_series_and_an_impatient_scraper_one_read(fleet: Fleet) -> None:
    async with fleet.scraper() as client:
        before = await client.get("/metrics")
        fleet.now_ns += 9_000_000_000
        assert (await client.get("/metrics")).text == before.text
        assert fleet.reads == 1
        fleet.now_ns += 2_000_000_000
        await client.get("/metrics")
    assert fleet.reads == 2
    series = [line for line in before.text.splitlines() if 'device="kit-2"' in line]
    assert len(series) == 5
