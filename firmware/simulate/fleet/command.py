"""`aidpost-aggregator simulate fleet`: thousands of devices that are not there, against a real aggregator."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click
import grpc
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from aidpost.client import Credential, CredentialUnusable, FleetError
from firmware.simulate.fleet.own_server import OwnServer, ServerFailed
from firmware.simulate.fleet.results import FleetResult
from firmware.simulate.fleet.run import Plan, simulate
from firmware.simulate.fleet.workers import WorkersFailed
from firmware.uplink.channel import Target
from firmware.uplink.errors import UplinkMisconfigured


@click.group("simulate")
def group() -> None:
    """Try the aggregator with devices that are not there, before real ones come."""


@group.command("fleet")
@click.option("--devices", type=click.IntRange(1, 20_000), required=True, help="Connected at the same time.")
@click.option(
    "--events", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Of each device, twice."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="That hold the devices."
)
@click.option(
    "--down",
    "down_s",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    help="How many seconds the aggregator is away before it is started again.",
)
@click.option("--server", help="An aggregator that runs already, as host:port. Without it, one is started.")
@click.option(
    "--credential",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="AIDPOST_CREDENTIAL",
    help="With --server: the credential of an operator there, who lets the devices join.",
)
@click.option("--seed", type=click.IntRange(0, 999_999), default=1, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures there."
)
def fleet(
    devices: int,
    events: int,
    processes: int,
    down_s: float,
    server: str | None,
    credential: Path | None,
    seed: int,
    json_path: Path | None,
) -> None:
    """Let devices join, connect, report mixed events, and come back after the aggregator was killed.

    They are the appliance's own link, over mutual TLS, with their stores in memory. An aggregator that is
    started here is measured and killed, and its folder removed afterwards; one that runs already (--server)
    is neither measured nor killed, and keeps the devices: use one for trials.
    """
    plan = Plan(devices, min(processes, devices), events, down_s, seed)
    if (server is None) is not (credential is None):
        raise click.UsageError("--server and --credential go together")
    try:
        if server is not None and credential is not None:
            with _Progress() as watch:
                found = uvloop.run(
                    simulate(plan, Target.parse(server), Credential.read(credential), None, watch)
                )
        else:
            with tempfile.TemporaryDirectory(prefix="aidpost-fleet-") as folder, _Progress() as watch:
                found = uvloop.run(_with_own_server(plan, Path(folder), watch))
        content = msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"
        if json_path is not None:
            json_path.write_text(content)
    except grpc.RpcError as error:
        raise click.ClickException(f"a device could not join: {error}") from error
    except (
        CredentialUnusable,
        FleetError,
        ServerFailed,
        UplinkMisconfigured,
        WorkersFailed,
        OSError,
    ) as error:
        raise click.ClickException(str(error)) from error
    Console().print(_table(found))


async def _with_own_server(plan: Plan, folder: Path, watch: _Progress) -> FleetResult:
    server = OwnServer(folder)
    await server.make()
    await server.start()
    try:
        return await simulate(plan, server.target, Credential.read(server.credential), server, watch)
    finally:
        await asyncio.shield(server.stop())


class _Progress:
    """One bar for each phase, on standard error."""

    def __init__(self) -> None:
        self._shown = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Progress:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def __call__(self, phase: str, done: int, of: int) -> None:
        """Show how far a phase is."""
        if phase not in self._tasks:
            self._tasks[phase] = self._shown.add_task(phase, total=of)
        self._shown.update(self._tasks[phase], completed=done)


def _table(found: FleetResult) -> Table:
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    connected, reported, recovered = found.connected, found.reported, found.recovered
    rows = [
        ("machine", f"{found.cores} cores, load {found.load:.1f} at the start"),
        ("devices", f"{found.devices:,} in {found.processes} processes, joined in {found.join_s:.0f} s"),
        ("connected", f"in {connected.seconds:.1f} s, {connected.connects_per_s:.0f} a second"),
        ("memory at the server", _memory(found)),
        ("events", f"{reported.events:,} in {reported.seconds:.1f} s, {reported.events_per_s:,.0f} a second"),
        ("events a second and core of the server", _figure(reported.events_per_s_and_core, ",.0f")),
        ("server's processor time an event", _figure(reported.server_cpu_us_an_event, ".1f", " µs")),
    ]
    if recovered is not None:
        rows.append(
            (
                f"back after {recovered.down_s:.0f} s without an aggregator",
                f"half of the devices in {recovered.half_s:.1f} s, nine tenths in "
                f"{recovered.nine_tenths_s:.1f} s, all in {recovered.all_s:.1f} s, each with its events",
            )
        )
    rows.append(("lost events, refused receipts", f"{found.lost_events}, {found.refused_receipts}"))
    for row in rows:
        table.add_row(*row)
    return table


def _memory(found: FleetResult) -> str:
    idle, busy = found.connected.memory_kb_a_device, found.reported.memory_kb_a_device
    if idle is None or busy is None or found.connected.server_start_mb is None:
        return "not measured"
    return (
        f"{idle:.0f} kB a device idle, {busy:.0f} kB after reporting, "
        f"beyond {found.connected.server_start_mb:.0f} MB at its start"
    )


def _figure(value: float | None, form: str, unit: str = "") -> str:
    return "not measured" if value is None else f"{value:{form}}{unit}"
