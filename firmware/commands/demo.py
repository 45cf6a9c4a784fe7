"""`aidpost demo`: the whole line on one machine, with nobody's data."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console

from firmware.commands.common import OutputFile, clear_errors
from firmware.commands.output_files import write_new
from firmware.demo.server import ServerFailed
from firmware.demo.show import Settings, perform
from firmware.demo.workplace import open_workplace


@click.command()
@click.option("--json", "json_path", type=OutputFile(), help="Write the figures to this new file.")
@click.option("--seed", default=7, show_default=True, help="Another seed is another day.")
@click.option("--paced", is_flag=True, help="The sensor sends no faster than a real one.")
@click.option("--keep", is_flag=True, help="Leave the dashboard up at the end.")
@click.option("--picture", type=OutputFile(), help="Write an SVG of the screen to this new file.")
@click.option("--page", is_flag=True, help="Serve the operator page to try by hand instead, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Of --page.")
def demo(
    json_path: Path | None,
    seed: int,
    paced: bool,
    keep: bool,
    picture: Path | None,
    page: bool,
    port: int,
) -> None:
    """Register people, serve arrivals, lose the uplink in the middle, and check that no record was lost.

    With --page: a temporary appliance with emulated devices, two staff whose PINs are shown, a clinic's list
    and cards to print.

    Exit status 1 when somebody was taken for somebody else, or a record is missing or double.
    """
    console = Console()
    if page:
        with clear_errors():
            asyncio.run(open_workplace(port, console))
        return
    try:
        with clear_errors():
            report = asyncio.run(perform(Settings(seed, paced, keep, picture), console))
    except ServerFailed as error:
        raise click.ClickException(str(error)) from error
    for table in report.tables():
        console.print(table)
    found = report.as_json()
    console.print(
        f"{report.people} people, {len(report.served)} arrivals, "
        f"{found['wrong_accepts']} wrong accepts, {found['wrong_refusals']} wrong refusals"
    )
    lost = f"{report.missing} missing, {report.repeated} double"
    console.print(
        f"{report.records_at_device} records at the device, {report.records_at_aggregator} at the "
        "aggregator: " + ("each exactly once" if report.exactly_once else lost)
    )
    if json_path is not None:
        write_new(json_path, f"{json.dumps(found, indent=2)}\n".encode())
    if not report.as_expected:
        raise SystemExit(1)
