"""The commands `fleet rollouts`: changes that go out step by step."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec
from rich.progress import TaskID

from aggregator.export import Format
from aggregator.fleet_commands.common import (
    ROLLOUT,
    count_progress,
    credential_option,
    etag_option,
    fleet,
    format_option,
    moment,
    server_option,
    show,
    show_one,
    word,
    yes_option,
)
from aggregator.fleet_commands.rollout_file import RolloutFileRefused, read_rollout
from aidpost.client import FleetClient
from aidpost.v1 import rollout_pb2

LOOK_EVERY_S = 2.0
COLUMNS = (
    "name",
    "title",
    "state",
    "ring",
    "devices",
    "told",
    "waiting",
    "applied",
    "refused",
    "rolled_back",
    "reason",
)
PLAN_COLUMNS = ("ring", "devices", "sites", "megabytes", "ends_at")
_UNDER_WAY = (rollout_pb2.ROLLOUT_STATE_RUNNING,)

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


class RolloutRow(msgspec.Struct, frozen=True):
    """One rollout; counts: over its rings."""

    name: str
    title: str
    state: str
    reason: str
    ring: str
    filter: str
    devices: int
    told: int
    waiting: int
    applied: int
    refused: int
    rolled_back: int
    failing: int
    silent: int
    taken_back: int
    shifts: tuple[str, ...]
    created_at: str | None
    created_by: str
    finished_at: str | None
    etag: str


class PlannedRow(msgspec.Struct, frozen=True):
    """One ring of a plan; the last row is the whole."""

    ring: str
    devices: int
    sites: int | None
    megabytes: float
    cost: str
    ends_at: str | None
    remarks: tuple[str, ...]


@click.group()
def rollouts() -> None:
    """Changes that go out step by step, and stop by themselves."""


@rollouts.command("plan")
@_file
@format_option
@server_option
@credential_option
def plan(file: Path, form: Format, server: str, credential: Path) -> None:
    """Say what the rollout of FILE (docs/fleet-commands.md) would take; nothing is started."""
    with fleet(server, credential) as client:
        planned = client.plan_rollout(_read(client, file))
    show(_planned(planned), PlannedRow, form, PLAN_COLUMNS, "It changes no device.")
    if form == "table":
        _tell_cost(planned)


@rollouts.command("start")
@_file
@yes_option
@server_option
@credential_option
def start(file: Path, yes: bool, server: str, credential: Path) -> None:
    """Start the rollout of FILE, after showing what it would take."""
    with fleet(server, credential) as client:
        rollout = _read(client, file)
        if not yes:
            planned = client.plan_rollout(rollout)
            show(_planned(planned), PlannedRow, "table", PLAN_COLUMNS, "It changes no device.")
            _tell_cost(planned)
            click.confirm("Start it?", abort=True)
        started = client.create_rollout(rollout)
    click.echo(f"Started: {started.name or rollout.name}. See `fleet rollouts show {rollout.name} --follow`.")


@rollouts.command("list")
@format_option
@server_option
@credential_option
def list_rollouts(form: Format, server: str, credential: Path) -> None:
    """Show the rollouts."""
    with fleet(server, credential) as client:
        rows = [_row(rollout) for rollout in client.list_rollouts()]
    show(rows, RolloutRow, form, COLUMNS, "There is no rollout yet.")


@rollouts.command("show")
@click.argument("name", type=ROLLOUT)
@click.option("--follow", is_flag=True, help="Show its progress until it ends, stops or is paused.")
@format_option
@server_option
@credential_option
def show_rollout(name: str, follow: bool, form: Format, server: str, credential: Path) -> None:
    """Show the rollout NAME."""
    with fleet(server, credential) as client:
        if follow:
            _follow(client, name)
        show_one(_row(client.get_rollout(name)), form)


@rollouts.command("pause")
@click.argument("name", type=ROLLOUT)
@etag_option
@server_option
@credential_option
def pause(name: str, etag: str, server: str, credential: Path) -> None:
    """Tell no further device of NAME; who was told goes on."""
    with fleet(server, credential) as client:
        client.pause_rollout(name, etag)
    click.echo(f"Paused: {name}.")


@rollouts.command("resume")
@click.argument("name", type=ROLLOUT)
@etag_option
@server_option
@credential_option
def resume(name: str, etag: str, server: str, credential: Path) -> None:
    """Go on with NAME, which was paused or stopped by itself."""
    with fleet(server, credential) as client:
        client.resume_rollout(name, etag)
    click.echo(f"Goes on: {name}.")


@rollouts.command("cancel")
@click.argument("name", type=ROLLOUT)
@click.option(
    "--take-back", is_flag=True, help="Desire again what was desired before of those who took it up."
)
@etag_option
@yes_option
@server_option
@credential_option
def cancel(name: str, take_back: bool, etag: str, yes: bool, server: str, credential: Path) -> None:
    """End NAME for good."""
    if not yes:
        click.confirm(f"End {name}{' and take it back' if take_back else ''}?", abort=True)
    with fleet(server, credential) as client:
        client.cancel_rollout(name, etag, take_back=take_back)
    click.echo(f"Cancelled: {name}.")


def _read(client: FleetClient, file: Path) -> rollout_pb2.Rollout:
    try:
        return read_rollout(file, client)
    except RolloutFileRefused as error:
        raise click.ClickException(f"{file}: {error}") from error


def _follow(client: FleetClient, name: str) -> None:
    """Draw a bar for each ring, of the devices that answered."""
    with count_progress() as progress:
        tasks: list[TaskID] = []
        while True:
            rollout = client.get_rollout(name)
            for number, ring in enumerate(rollout.progress):
                if number == len(tasks):
                    title = rollout.rings[number].name if number < len(rollout.rings) else f"ring {number}"
                    tasks.append(progress.add_task(title, total=ring.devices))
                answered = ring.applied + ring.refused + ring.rolled_back
                progress.update(tasks[number], completed=answered, total=ring.devices)
            if rollout.state not in _UNDER_WAY:
                return
            time.sleep(LOOK_EVERY_S)


def _planned(planned: rollout_pb2.PlanRolloutResponse) -> list[PlannedRow]:
    rings = [
        PlannedRow(ring.name, ring.devices, ring.sites, ring.bytes / 1e6, "", moment(ring, "ends_at"), ())
        for ring in planned.rings
    ]
    cost = ", ".join(f"{milli / 1000:.2f} {unit}" for unit, milli in sorted(planned.cost_milli.items()))
    devices = sum(ring.devices for ring in rings)
    ends_at, remarks = moment(planned, "ends_at"), tuple(planned.remarks)
    return [*rings, PlannedRow("all", devices, None, planned.bytes / 1e6, cost, ends_at, remarks)]


def _tell_cost(planned: rollout_pb2.PlanRolloutResponse) -> None:
    whole = _planned(planned)[-1]
    if whole.cost:
        click.echo(f"Cost: {whole.cost}.")
    if whole.ends_at is None:
        click.echo("It has no end: some site's daily bytes do not suffice.")
    for remark in whole.remarks:
        click.echo(f"- {remark}")


def _row(rollout: rollout_pb2.Rollout) -> RolloutRow:
    progress, rings = rollout.progress, rollout.rings
    return RolloutRow(
        name=rollout.name,
        title=rollout.title,
        state=word(rollout_pb2.RolloutState, rollout.state),
        reason=rollout.reason,
        ring=rings[rollout.ring].name if rollout.ring < len(rings) else "",
        filter=rollout.filter,
        devices=sum(each.devices for each in progress),
        told=sum(each.told for each in progress),
        waiting=sum(each.waiting for each in progress),
        applied=sum(each.applied for each in progress),
        refused=sum(each.refused for each in progress),
        rolled_back=sum(each.rolled_back for each in progress),
        failing=sum(each.failing for each in progress),
        silent=sum(each.silent for each in progress),
        taken_back=sum(each.taken_back for each in progress),
        shifts=tuple(_shift(shift) for each in progress for shift in each.shifts),
        created_at=moment(rollout, "created_at"),
        created_by=rollout.created_by,
        finished_at=moment(rollout, "finished_at"),
        etag=rollout.etag,
    )


def _shift(shift: rollout_pb2.OutcomeShift) -> str:
    told = (
        f"{shift.rate}: {shift.before_count} of {shift.before_of} before, {shift.after_count} of "
        f"{shift.after_of} after ({shift.low:+.1f} to {shift.high:+.1f} points)"
    )
    if shift.HasField("excess"):
        told += (
            f", {shift.excess:+.1f} points beyond the unchanged "
            f"({shift.excess_low:+.1f} to {shift.excess_high:+.1f})"
        )
    return f"{told}: {word(rollout_pb2.ShiftVerdict, shift.verdict)}"
