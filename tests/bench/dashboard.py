"""How soon the dashboard's pages answer with a large fleet. Run as ``python -m tests.bench.dashboard``."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from aggregator.accounts import AccountRole
from aggregator.bundle_shelf import BundleShelf
from aggregator.dashboard.app import Dashboard
from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.fleet.rollout import Change, Member, Ring, Rollout, Standing, Thresholds, Watch
from aggregator.passwords import make_credential
from aggregator.store import accounts, administration, alerts, fleet_inventory, fleet_rollouts
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.bench.machine import describe_machine
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import PASSWORD, sign_in
from trust.tls.address import Address
from trust.web.server import PageServer

PAGES = (
    ("Fleet", "/"),
    ("Fleet, filtered", '/?filter=labels.ring = "early" AND health = silent'),
    ("Fleet, last page", "/?page=200"),
    ("Sites", "/sites"),
    ("Device", "/devices/kit-00001"),
    ("Alerts", "/alerts"),
    ("Service, 7 days", "/service?days=7"),
    ("Service, 30 days", "/service?days=30"),
    ("Service, one site", "/service?days=30&site=kakuma-1"),
    ("Rollouts", "/rollouts"),
    ("Rollout", "/rollouts/tries-3"),
    ("Results", "/results"),
    ("Missing", "/missing"),
    ("Audit", "/audit"),
)


def main() -> None:
    """Fill a store, ask for each page again and again, and print the times, or write them to a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=25)
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    machine = describe_machine()
    figures = asyncio.run(measure(options.devices, options.times))
    figures |= {"date": machine.date, "load": machine.load, "cores": machine.cores}
    text = json.dumps(figures, indent=1)
    if options.json is None:
        sys.stdout.write(text + "\n")
    else:
        options.json.write_text(text)


async def measure(devices: int, times: int) -> dict[str, Any]:
    """Return the time of each page, over a socket, with the session's own checks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store = StoreWriter(path, wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=lambda _fault: None)
        await store.open()
        began = time.perf_counter()
        connected = await store.submit(lambda db: fill(db, devices))
        filled_s = time.perf_counter() - began
        views = [StoreView(path, lambda: NOW_NS) for _ in range(2)]
        for view in views:
            await view.open()
        dashboard = Dashboard(
            views[0],
            store,
            lambda: connected,
            lambda: NOW_NS,
            shelf=BundleShelf(Path(folder)),
            fleet_view=views[1],
        )
        server = PageServer(Address("127.0.0.1", 0), dashboard.app, is_signed_in=dashboard.is_signed_in)
        address = await server.start()
        keeping = asyncio.create_task(dashboard.watching.keep())
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=60) as browser:
            await sign_in(browser)
            await browser.get("/")  # the picture of the fleet is made
            pages = {name: await asked(browser, page, times) for name, page in PAGES}
        keeping.cancel()
        await asyncio.wait({keeping})
        await server.stop()
        sites = await views[0].read(lambda db: len(fleet_inventory.read_sites(db)))
        lasting = await views[0].read(lambda db: sum(alerts.counts(db).values()))
        for view in views:
            await view.close()
        await store.close()
    return {
        "devices": devices,
        "sites": sites,
        "alerts": lasting,
        "times": times,
        "filled_s": filled_s,
        "pages": pages,
    }


async def asked(browser: httpx.AsyncClient, page: str, times: int) -> dict[str, float]:
    """Return how long the answers took, and the bytes of one."""
    took_ms = []
    for _ in range(times):
        began = time.perf_counter()
        answer = await browser.get(page)
        took_ms.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (page, answer.status_code)
    return {
        "best_ms": min(took_ms),
        "median_ms": statistics.median(took_ms),
        "worst_ms": max(took_ms),
        "bytes": len(answer.content),
    }


def fill(db: Database, devices: int) -> frozenset[str]:
    """Fill the store with a fleet, alerts, a rollout of all of it, an audit log, and an administrator."""
    connected = big_fleet.fill(db, devices, hours=24 * 30)
    kinds = list(AlertKind)
    found = [
        Finding(kinds[number % len(kinds)], Severity(1 + number % 3), f"kit-{number:05}", "kakuma-1", "Look.")
        for number in range(1, devices // 20 + 1)
    ]
    alerts.reconcile(db, found, NOW_NS)
    members = tuple(
        Member(f"kit-{number:05}", "kakuma-1", number % 2, Standing.APPLIED if number % 3 else Standing.TOLD)
        for number in range(1, devices + 1)
    )
    rings = (Ring("half", "", 50, 0), Ring("rest", "", 100, 0))
    rollout = Rollout(
        "tries-3", "Three tries", Change({"session.tries": "3"}), "", rings,
        Thresholds(), members, (Watch(NOW_NS), Watch()), NOW_NS, "operator amina",
    )  # fmt: skip
    fleet_rollouts.create(db, rollout, NOW_NS, "operator amina")
    for number in range(20_000):
        administration.append(db, NOW_NS, "operator amina", "command self-test", f"kit-{number:05}")
    credential = make_credential("amina", PASSWORD)
    accounts.add(db, "amina", AccountRole.ADMINISTRATOR, credential, NOW_NS, "bench")
    return connected


if __name__ == "__main__":
    main()
