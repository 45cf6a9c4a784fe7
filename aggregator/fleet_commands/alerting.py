"""The commands `fleet alerts` and `fleet hooks`: what a person should know of, and where it is told."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from aggregator.export import Format
from aggregator.fleet_commands.common import (
    HOOK,
    SITE,
    credential_option,
    etag_option,
    fleet,
    format_option,
    moment,
    server_option,
    show,
    word,
    words,
    yes_option,
)
from aidpost.v1 import alert_pb2

ALERT_COLUMNS = (
    "number",
    "severity",
    "kind",
    "site",
    "device_id",
    "opened_at",
    "acknowledged_by",
    "sentence",
)
HOOK_COLUMNS = ("name", "where", "from_severity", "sites", "results", "disabled", "fault")
SEVERITIES = words(alert_pb2.AlertSeverity)


class AlertRow(msgspec.Struct, frozen=True):
    """One alert."""

    number: int
    severity: str
    kind: str
    site: str
    device_id: str
    sentence: str
    opened_at: str | None
    seen_at: str | None
    closed_at: str | None
    acknowledged_by: str
    acknowledged_at: str | None


class HookRow(msgspec.Struct, frozen=True):
    """Where alerts are told."""

    name: str
    where: str
    from_severity: str
    sites: tuple[str, ...]
    results: bool
    disabled: bool
    fault: str
    etag: str


@click.group()
def alerts() -> None:
    """What a person should know of, people first."""


@alerts.command("list")
@click.option("--site", default="", type=SITE, help="One site's alone.")
@click.option("--closed", is_flag=True, help="Those that ended too.")
@format_option
@server_option
@credential_option
def list_alerts(site: str, closed: bool, form: Format, server: str, credential: Path) -> None:
    """Show the alerts."""
    with fleet(server, credential) as client:
        rows = [_alert_row(alert) for alert in client.list_alerts(site, closed=closed)]
    show(rows, AlertRow, form, ALERT_COLUMNS, "There is no alert.")


@alerts.command("acknowledge")
@click.argument("number", type=click.IntRange(1))
@server_option
@credential_option
def acknowledge(number: int, server: str, credential: Path) -> None:
    """Say that you look after the alert NUMBER."""
    with fleet(server, credential) as client:
        client.acknowledge_alert(number)
    click.echo(f"Acknowledged: {number}.")


@click.group()
def hooks() -> None:
    """Where alerts, and results as the export policy allows, are told."""


@hooks.command("list")
@format_option
@server_option
@credential_option
def list_hooks(form: Format, server: str, credential: Path) -> None:
    """Show the hooks, and why the last delivery failed."""
    with fleet(server, credential) as client:
        rows = [_hook_row(hook) for hook in client.list_hooks()]
    show(rows, HookRow, form, HOOK_COLUMNS, "There is no hook yet.")


@hooks.command("set")
@click.argument("name", type=HOOK)
@click.option("--url", help="https alone; what is sent there is signed.")
@click.option("--email", help="An address.")
@click.option("--from", "severity", type=click.Choice(list(SEVERITIES)), default="warning", show_default=True)
@click.option("--site", "sites", multiple=True, type=SITE, help="These sites alone; all by default.")
@click.option("--results", is_flag=True, help="Tell results too.")
@click.option("--disable", is_flag=True, help="Tell nothing for now.")
@etag_option
@server_option
@credential_option
def set_hook(
    name: str,
    url: str | None,
    email: str | None,
    severity: str,
    sites: tuple[str, ...],
    results: bool,
    disable: bool,
    etag: str,
    server: str,
    credential: Path,
) -> None:
    """Make the hook NAME, or change it as a whole. A new one's signing key is shown this once."""
    if (url is None) is (email is None):
        raise click.UsageError("name --url or --email")
    hook = alert_pb2.Hook(
        name=name,
        etag=etag,
        from_severity=SEVERITIES[severity],
        sites=sites,
        results=results,
        disabled=disable,
    )
    if url is not None:
        hook.url = url
    else:
        hook.email = email or ""
    with fleet(server, credential) as client:
        answer = client.update_hook(hook, allow_missing=True)
    if answer.signing_key:
        click.echo(answer.signing_key.hex())
        click.echo(f"{name} signs with this key; it is shown this once.", err=True)
    else:
        click.echo(f"Changed: {name}.")


@hooks.command("delete")
@click.argument("name", type=HOOK)
@etag_option
@yes_option
@server_option
@credential_option
def delete_hook(name: str, etag: str, yes: bool, server: str, credential: Path) -> None:
    """Tell the hook NAME nothing more."""
    if not yes:
        click.confirm(f"Delete the hook {name}?", abort=True)
    with fleet(server, credential) as client:
        client.delete_hook(name, etag)
    click.echo(f"Deleted: {name}.")


def _alert_row(alert: alert_pb2.Alert) -> AlertRow:
    return AlertRow(
        number=alert.number,
        severity=word(alert_pb2.AlertSeverity, alert.severity),
        kind=word(alert_pb2.AlertKind, alert.kind),
        site=alert.site,
        device_id=alert.device_id,
        sentence=alert.sentence,
        opened_at=moment(alert, "opened_at"),
        seen_at=moment(alert, "seen_at"),
        closed_at=moment(alert, "closed_at"),
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at=moment(alert, "acknowledged_at"),
    )


def _hook_row(hook: alert_pb2.Hook) -> HookRow:
    return HookRow(
        name=hook.name,
        where=hook.url or hook.email,
        from_severity=word(alert_pb2.AlertSeverity, hook.from_severity),
        sites=tuple(hook.sites),
        results=hook.results,
        disabled=hook.disabled,
        fault=hook.fault,
        etag=hook.etag,
    )
