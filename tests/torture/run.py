"""Runs the faults one scenario after the other and writes the table of docs/reliability.md: `make torture`.

Each scenario leaves its findings in out/torture/NAME.json; the table is made of all that are there, so that
`--only NAME` renews a part of it. Exit status 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog

from tests.torture import (
    aggregator_faults,
    clinic,
    clocks,
    crowd,
    hindrances,
    kills,
    links,
    power_cuts,
    sensors_under_faults,
    site_day,
    whole_appliance,
    workers,
)
from tests.torture.finding import Finding
from tests.torture.page import PAGE, with_table

REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / "out" / "torture"

Scenario: TypeAlias = "Callable[[Path, int, float], Awaitable[list[Finding]]]"
"""Takes an empty folder, a seed, and the share of the full number of tries."""

SCENARIOS: dict[str, Scenario] = {
    "kills": kills.scenario,
    "whole": whole_appliance.scenario,
    "power-cuts": power_cuts.scenario,
    "hindrances": hindrances.scenario,
    "links": links.scenario,
    "aggregator": aggregator_faults.scenario,
    "clocks": clocks.scenario,
    "sensors": sensors_under_faults.scenario,
    "clinic": clinic.scenario,
    "crowd": crowd.scenario,
    "site": site_day.scenario,
    "workers": workers.scenario,
}


async def run(names: list[str], seed: int, share: float) -> list[Finding]:
    """Run these scenarios; what they find is kept one by one."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    found: list[Finding] = []
    for name in names:
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="aidpost-torture-") as folder:
            findings = await SCENARIOS[name](Path(folder), seed, share)
        (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(findings)))
        for finding in findings:
            lost = "; ".join(finding.wrong[:5]) or "nothing lost"
            sys.stdout.write(f"{finding.fault}: {finding.tried} times, {lost}\n")
        sys.stdout.write(f"  {name}: {time.monotonic() - began_s:.0f} s\n")
        sys.stdout.flush()
        found += findings
    return found


def kept() -> list[Finding]:
    """Return what the runs left, in the order of the scenarios."""
    files = [RESULTS / f"{name}.json" for name in SCENARIOS]
    return [
        finding
        for file in files
        if file.exists()
        for finding in msgspec.json.decode(file.read_bytes(), type=list[Finding])
    ]


def main() -> None:
    """Run, and write the table where the run was a full one."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the full number of tries, as 0.05")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # faults are the purpose
    found = kept() if options.table else asyncio.run(run(options.only, options.seed, options.share))
    if options.share == 1.0 or options.table:
        page = REPOSITORY / PAGE
        page.write_text(with_table(page.read_text(encoding="utf-8"), kept()), encoding="utf-8")
        sys.stdout.write(f"Wrote the table of {PAGE}\n")
    sys.exit(1 if any(finding.wrong for finding in found) else 0)
