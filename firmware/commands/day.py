"""`aidpost day`: open and close the day, write its report; the page does the same while it serves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import click

from firmware.appliance import Appliance
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config, with_appliance
from firmware.day.day import ClosedBefore, Closing, Opening
from firmware.day.figures import Figures
from firmware.day.lines import closing_lines, opening_lines
from firmware.store.staff import Staff, words
from firmware.workflow.terms import Role

CONNECT_S = 10.0  # a handshake over a slow link; without an uplink nothing is waited for

operator_option = click.option(
    "--operator", default="", help="Who does it; their PIN is asked for. Needed where staff sign in."
)


class OutputFolder(click.Path):
    """A folder to write into at the end: one that cannot be made is refused before the day is closed."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Make the folder and return it, or fail with what to do."""
        folder = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(f"cannot make {folder}: {error.strerror}; name another folder", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"no permission to write into {folder}", param, ctx)
        return folder


out_option = click.option("--out", type=OutputFolder(), help="Write report.pdf, .csv and .json here.")


@click.group()
def day() -> None:
    """Open and close the day at this appliance. While it runs, the operator page does the same."""


@day.command("open")
@config_option
@operator_option
def open_day(config_path: Path, operator: str) -> None:
    """Try each part, begin the day, and say what to expect. Touch nothing meanwhile.

    Exit status 1 when something needs care; people can be served all the same, by the card if need be.
    """

    async def work(appliance: Appliance) -> Opening:
        return await appliance.day.open(await _signed_in(appliance, operator, Role.OPERATOR))

    opening = with_appliance(read_config(config_path), work)
    for line in opening_lines(opening):
        click.echo(line)
    if not opening.ready:
        raise SystemExit(1)


@day.command()
@config_option
@operator_option
@out_option
@click.option(
    "--ends-cycle/--goes-on",
    "ends_cycle",
    default=None,
    help="Whether this was the last day of the distribution; by default the list and a checked clock say so.",
)
def close(config_path: Path, operator: str, out: Path | None, ends_cycle: bool | None) -> None:
    """Send what waits, seal the ledger, erase the list with a receipt, and write the report.

    Where staff sign in, a supervisor does it, as on the page.
    """

    async def work(appliance: Appliance) -> Closing | ClosedBefore:
        signed = await _signed_in(appliance, operator, Role.SUPERVISOR)
        await _connected(appliance)
        return await appliance.day.close(signed, ends_cycle=ends_cycle)

    closing = with_appliance(read_config(config_path), work)
    if closing.figures is not None:
        _report(closing.figures, out)
    for line in closing_lines(closing):
        click.echo(line)


@day.command()
@config_option
@operator_option
@out_option
@click.option("--last", is_flag=True, help="Of the day that was closed last, also where a new one has begun.")
def report(config_path: Path, operator: str, out: Path | None, last: bool) -> None:
    """Show the report so far, or write it to files; nothing is closed.

    After the close it is the report of the closed day, until the next day is closed. Where staff sign in, a
    supervisor takes it, as on the page.
    """

    async def work(appliance: Appliance) -> Figures | None:
        await _signed_in(appliance, operator, Role.SUPERVISOR)
        return await (appliance.day.last_report() if last else appliance.day.report())

    found = with_appliance(read_config(config_path), work)
    if found is None:
        raise click.ClickException("no day was closed here yet")
    _report(found, out)


def _report(found: Figures, out: Path | None) -> None:
    from firmware.day.report_files import write_report  # reportlab costs 0.2 s
    from firmware.day.sentences import sections, span, title

    click.echo(title(found))
    click.echo(span(found))
    for section in sections(found):
        click.echo(f"\n{section.title}")
        for row in section.rows:
            click.echo(f"  {row.what}: {row.value}" + (f" ({row.note})" if row.note else ""))
    click.echo()
    if out is not None:
        with clear_errors():
            for path in write_report(found, out):
                click.echo(f"Wrote {path}")


async def _signed_in(appliance: Appliance, operator: str, need: Role) -> str:
    """Return who does it; where staff sign in, only somebody of that role who knows their PIN."""
    if not operator:
        if await appliance.store.run(lambda store: store.staff.has_supervisor()):
            raise click.ClickException("staff sign in here: say who you are with --operator NAME")
        return ""
    pin = await asyncio.to_thread(ask_pin, f"PIN of {operator}")
    moment = appliance.clock.now()
    answer = await appliance.store.run(lambda store: store.staff.check_pin(moment, operator, pin))
    if not isinstance(answer, Staff):
        raise click.ClickException(words(answer))
    if not answer.may(need):
        raise click.ClickException(f"{answer.name} is no {need.value}, who alone does this; nothing was done")
    return answer.name


async def _connected(appliance: Appliance) -> None:
    """Give the uplink a moment to connect: this process has just started."""
    if appliance.link.uplink is None:
        return
    try:
        async with asyncio.timeout(CONNECT_S):
            await appliance.link.until_connected()
    except TimeoutError:
        click.echo("No connection to the aggregator: the day is closed without it.")
