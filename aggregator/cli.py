"""The `aidpost-aggregator` command."""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points

import click

from aggregator.account_commands import accounts
from aggregator.adjudication_commands import adjudications
from aggregator.administer import approve, audit, claim, init, pending, revoke, user
from aggregator.backup import backup
from aggregator.carry import import_bundles
from aggregator.export_commands import export
from aggregator.fleet_commands import fleet
from aggregator.gallery_commands import gallery
from aggregator.lists import list_
from aggregator.migrate import migrate
from aggregator.reading_commands import devices, double_collections, missing, results
from aggregator.report.commands import report
from aggregator.serve_command import serve


class _WithParts(click.Group):
    """Takes in the commands that other packages register, each loaded when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_parts().names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        if cmd_name not in _parts().names:
            return None
        part = _parts()[cmd_name].load()
        return part if isinstance(part, click.Command) else None


def _parts() -> EntryPoints:
    return entry_points(group="aidpost_aggregator.commands")


@click.group(cls=_WithParts)
@click.version_option(package_name="aidpost")
def main() -> None:
    """Aidpost aggregator: receives the results of the appliances."""


for _command in (
    serve,
    results,
    devices,
    missing,
    double_collections,
    init,
    claim,
    user,
    accounts,
    audit,
    fleet,
    import_bundles,
    migrate,
    backup,
    list_,
    gallery,
    adjudications,
    report,
    export,
):
    main.add_command(_command)
for _command in (pending, approve, revoke):
    devices.add_command(_command)
