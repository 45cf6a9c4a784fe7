"""`aidpost-aggregator fleet`: everything that a desk does with its devices, over FleetService."""

from __future__ import annotations

import click

from aggregator.fleet_commands.alerting import alerts, hooks
from aggregator.fleet_commands.commands import commands
from aggregator.fleet_commands.desires import artifacts, desire
from aggregator.fleet_commands.devices import devices, telemetry
from aggregator.fleet_commands.files import diagnostics, export, logs
from aggregator.fleet_commands.places import groups, sites
from aggregator.fleet_commands.rollouts import rollouts

_SUBJECTS = (
    devices,
    sites,
    groups,
    desire,
    artifacts,
    commands,
    rollouts,
    alerts,
    hooks,
    telemetry,
    diagnostics,
    logs,
    export,
)


@click.group()
def fleet() -> None:
    """The devices of a running aggregator: what they are, should be, are asked, and tell."""


for _subject in _SUBJECTS:
    fleet.add_command(_subject)
