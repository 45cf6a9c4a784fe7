"""The dashboard of a made-up fleet, served for a browser: ``python -m tests.browser.desk FOLDER`` draws it.

The pictures are for the documentation: light and dark at a desk, and on a phone.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from aggregator.accounts import AccountRole
from aggregator.codec import parse_batch
from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.fleet.canary import Rate, Shift, Verdict
from aggregator.fleet.differences import Difference, Part, Periods
from aggregator.fleet.rollout import Change, Member, Ring, Rollout, Standing, Thresholds, Watch
from aggregator.records import CommandKind, CommandOutcome, CommandResult, Hello
from aggregator.store import alerts, commands, fleet_rollouts, ingest
from aggregator.store.ingest import Admitted
from aggregator.store.port import Database
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import PASSWORD, DashboardRig, dashboard_rig
from tests.kit.link_device import EPOCH, Chained, check_in, device_fault
from trust.tls.address import Address
from trust.web.server import PageServer

DEVICES = 240
MINUTE_NS = 60_000_000_000
PATHS = {
    "fleet": "/",
    "device": "/devices/kit-00007",
    "alerts": "/alerts",
    "service": "/service",
    "rollouts": "/rollouts",
    "rollout": "/rollouts/operating-point-7",
    "results": "/results",
    "audit": "/audit",
    "missing": "/missing",
    "sites": "/sites",
}
DRAWN = ("fleet", "device", "alerts", "service", "rollout")
TALL = ("device", "service")
QUALITY = 70
SHIFTS = tuple(
    Shift(
        rate,
        Periods(Part(before, 1800), Part(after, 900)),
        Periods(Part(60, 9000), Part(31, 4500)),
        1.2,
        Difference(0.001, -0.008, 0.011),
        Difference(0.001, -0.009, 0.012),
        verdict,
    )
    for rate, before, after, verdict in (
        (Rate.FAILURE_TO_ACQUIRE, 21, 12, Verdict.NOT_WORSE),
        (Rate.NO_MATCH, 33, 17, Verdict.NOT_WORSE),
    )
)
FOUND = (
    Finding(
        AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT, "kit-00031", "kakuma-3",
        "6 people left with another path at kit-00031 in the last hour since no reader answered: "
        "send somebody with a spare reader.",
    ),
    Finding(
        AlertKind.PEOPLE_WAITING, Severity.URGENT, "kit-00088", "juba-1",
        "14 people wait at kit-00088, 6 min each: open a second desk.",
    ),
    Finding(
        AlertKind.SITE_SILENT, Severity.WARNING, "", "goma-2",
        "None of the 12 devices of goma-2 was heard of for 5 h, which they usually are: ask for its link.",
    ),
    Finding(
        AlertKind.CERTIFICATE_ENDS, Severity.NOTICE, "kit-00140", "aden-1",
        "The certificate of kit-00140 ends in 9 days: it renews it when it is next connected.",
    ),
)  # fmt: skip


@asynccontextmanager
async def served_desk(folder: Path) -> AsyncIterator[tuple[DashboardRig, str]]:
    """Serve the dashboard of DEVICES devices; yields its parts and its address."""
    async with dashboard_rig(folder) as rig:
        rig.connected |= await rig.change(fill)
        await rig.add_account("amina", AccountRole.ADMINISTRATOR)
        await rig.add_account("vera", AccountRole.VIEWER)
        server = PageServer(Address("127.0.0.1", 0), rig.app)
        address = await server.start()
        try:
            yield rig, f"http://{address}"
        finally:
            await server.stop()


def fill(db: Database) -> frozenset[str]:
    """Fill the store, and let one device have a story."""
    connected = big_fleet.fill(db, DEVICES, hours=24 * 7)
    alerts.reconcile(db, FOUND, NOW_NS - 25 * MINUTE_NS)
    change, early = Change({}, (big_fleet.POINT,)), 'labels.ring = "early"'
    rings = (Ring("canary", "", 10, 86_400), Ring("half", "", 50, 86_400), Ring("rest", "", 100, 0))
    rollout = Rollout(
        "operating-point-7", "Thresholds of November", change, early,
        rings, Thresholds(),
        tuple(
            Member(
                f"kit-{number:05}", "kakuma-1", 0 if number < 25 else 1 if number < 130 else 2,
                Standing.APPLIED if number < 60 else Standing.TOLD if number < 80 else Standing.PENDING,
            )
            for number in range(1, DEVICES + 1)
        ),
        (
            Watch(NOW_NS - 2000 * MINUTE_NS, NOW_NS - 500 * MINUTE_NS, SHIFTS),
            Watch(NOW_NS - 400 * MINUTE_NS),
            Watch(),
        ),
        NOW_NS - 2000 * MINUTE_NS, "operator tomas", ring=1, reason="the ring half is told",
    )  # fmt: skip
    fleet_rollouts.create(db, rollout, NOW_NS, "operator tomas")
    epoch = (7).to_bytes(16, "big")
    admitted = ingest.admit(db, Hello("kit-00007", EPOCH, 40, "1.0.0", "dadaab-1", 1, epoch), NOW_NS)
    assert isinstance(admitted, Admitted)
    story = [
        *(check_in(seq) for seq in range(1, 9)),
        device_fault(9),
        device_fault(10, recovered=True),
        check_in(14),
    ]
    ingest.keep(db, admitted, parse_batch(Chained("kit-00007", EPOCH).pack(story), max_events=20), NOW_NS)
    for number, kind in enumerate((CommandKind.SELF_TEST, CommandKind.COLLECT_DIAGNOSTICS), 1):
        command_id, asked_ns = bytes([number] * 16), NOW_NS - (60 - 20 * number) * MINUTE_NS
        commands.send(
            db, command_id=command_id, device_id="kit-00007", kind=kind, asked_by="operator tomas",
            now_ns=asked_ns, expires_ns=NOW_NS + 600 * MINUTE_NS,
        )  # fmt: skip
    result = CommandResult(
        bytes([1] * 16), CommandKind.SELF_TEST, CommandOutcome.DONE, "reader well, camera well"
    )
    commands.note_result(db, "kit-00007", result, NOW_NS - 30 * MINUTE_NS)
    return connected | {"kit-00007"}


async def sign_in(page: Page, address: str, name: str = "amina") -> None:
    """Fill in the form as a person does."""
    await page.goto(f"{address}/sign-in")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{address}/")


async def draw(folder: Path) -> None:
    """Write the pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        with tempfile.TemporaryDirectory() as there:
            async with served_desk(Path(there)) as (_, address):
                for look, width, height, scheme in (
                    ("light", 1280, 900, "light"),
                    ("dark", 1280, 900, "dark"),
                    ("phone", 360, 740, "light"),
                ):
                    await _draw_look(browser, address, folder, look, width, height, scheme)
        await browser.close()


async def _draw_look(
    browser: Browser, address: str, folder: Path, look: str, width: int, height: int, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(f"{address}/sign-in")
    await page.screenshot(path=folder / f"sign-in-{look}.jpg", type="jpeg", quality=QUALITY)
    await sign_in(page, address)
    for name in DRAWN:
        await page.goto(address + PATHS[name], wait_until="networkidle")
        tall = name in TALL and look != "phone"
        picture = folder / f"{name}-{look}.jpg"
        await page.screenshot(path=picture, type="jpeg", quality=QUALITY, full_page=tall)
    await context.close()


if __name__ == "__main__":
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(pictures))
