"""The commands `fleet sites` and `fleet groups`: where devices are, and which belong together."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec

from aggregator.export import Format
from aggregator.fleet_commands.common import (
    GROUP,
    SITE,
    ClockType,
    MomentType,
    credential_option,
    etag_option,
    fleet,
    format_option,
    moment,
    pairs,
    server_option,
    show,
    yes_option,
)
from aidpost.v1 import inventory_pb2

SITE_COLUMNS = ("name", "title", "devices", "window", "daily_budget_mb", "cost_a_megabyte", "consent_until")
GROUP_COLUMNS = ("name", "title", "devices", "rank", "filter")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MEGABYTE = 1_000_000

_create = click.option("--create", is_flag=True, help="Make it if it is not there.")


class SiteRow(msgspec.Struct, frozen=True):
    """One site."""

    name: str
    title: str
    devices: int
    labels: dict[str, str]
    latitude: float | None
    longitude: float | None
    window: str
    daily_budget_mb: float | None
    cost_a_megabyte: str
    consent_until: str | None
    etag: str


class GroupRow(msgspec.Struct, frozen=True):
    """One group."""

    name: str
    title: str
    devices: int
    rank: int
    filter: str
    etag: str


@click.group()
def sites() -> None:
    """Where people are served."""


@sites.command("list")
@format_option
@server_option
@credential_option
def list_sites(form: Format, server: str, credential: Path) -> None:
    """Show the sites."""
    with fleet(server, credential) as client:
        rows = [_site_row(site) for site in client.list_sites()]
    show(rows, SiteRow, form, SITE_COLUMNS, "There is no site yet.")


@sites.command("set")
@click.argument("name", type=SITE)
@click.option("--title")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="All labels that it shall have.")
@click.option("--place", nargs=2, type=float, metavar="LATITUDE LONGITUDE", help="In degrees.")
@click.option(
    "--window", nargs=2, type=ClockType(), metavar="FROM TO", help="When changes may happen: 18:00 06:00."
)
@click.option("--window-days", help="Of the window, as mon,tue; without it every day.")
@click.option("--time-zone", help="Of the window, as Africa/Nairobi.")
@click.option(
    "--daily-budget-mb", type=click.FloatRange(0), help="For updates and diagnostics; 0 for no limit."
)
@click.option("--cost", nargs=2, metavar="PRICE CURRENCY", help="Of a megabyte there, as 0.05 KES.")
@click.option("--consent-until", type=MomentType(), help="For live logs and support sessions.")
@_create
@etag_option
@server_option
@credential_option
def set_site(
    name: str,
    title: str | None,
    labels: tuple[str, ...],
    place: tuple[float, float] | None,
    window: tuple[timedelta, timedelta] | None,
    window_days: str | None,
    time_zone: str | None,
    daily_budget_mb: float | None,
    cost: tuple[str, str] | None,
    consent_until: datetime | None,
    create: bool,
    etag: str,
    server: str,
    credential: Path,
) -> None:
    """Change what is given of the site NAME; the rest stays."""
    site, paths = inventory_pb2.Site(name=name, etag=etag), []
    if title is not None:
        site.title = title
        paths.append("title")
    if labels:
        site.labels.update(pairs(labels, "label"))
        paths.append("labels")
    if place is not None:
        site.latitude, site.longitude = place
        paths += ["latitude", "longitude"]
    if window is not None:
        if time_zone is None:
            raise click.UsageError("name the window's time zone with --time-zone, as Africa/Nairobi")
        site.window.time_zone = time_zone
        site.window.weekdays.extend(_weekdays(window_days))
        site.window.start.FromTimedelta(window[0])
        site.window.end.FromTimedelta(window[1])
        paths.append("window")
    elif window_days is not None or time_zone is not None:
        raise click.UsageError("--window-days and --time-zone belong to --window")
    if daily_budget_mb is not None:
        site.daily_budget_bytes = round(daily_budget_mb * MEGABYTE)
        paths.append("daily_budget_bytes")
    if cost is not None:
        site.megabyte_cost_milli, site.currency = _milli(cost[0]), cost[1]
        paths += ["megabyte_cost_milli", "currency"]
    if consent_until is not None:
        site.support_consent_until.FromDatetime(consent_until)
        paths.append("support_consent_until")
    if not paths and not create:
        raise click.UsageError("say what to change, as --title")
    with fleet(server, credential) as client:
        client.update_site(site, paths, allow_missing=create)
    click.echo(f"{name}: {', '.join(paths) or 'made'}.")


@click.group()
def groups() -> None:
    """Devices that belong together, by a filter."""


@groups.command("list")
@format_option
@server_option
@credential_option
def list_groups(form: Format, server: str, credential: Path) -> None:
    """Show the groups."""
    with fleet(server, credential) as client:
        rows = [_group_row(group) for group in client.list_groups()]
    show(rows, GroupRow, form, GROUP_COLUMNS, "There is no group yet.")


@groups.command("set")
@click.argument("name", type=GROUP)
@click.option("--title")
@click.option("--filter", "filter_", help="""Which devices, as in `labels.ring = "early"`.""")
@click.option("--rank", type=click.IntRange(0), help="Of two groups of a device the higher one holds.")
@_create
@etag_option
@server_option
@credential_option
def set_group(
    name: str,
    title: str | None,
    filter_: str | None,
    rank: int | None,
    create: bool,
    etag: str,
    server: str,
    credential: Path,
) -> None:
    """Change what is given of the group NAME; the rest stays."""
    given = {"title": title, "filter": filter_, "rank": rank}
    fields = {field: value for field, value in given.items() if value is not None}
    if not fields:
        raise click.UsageError("say what to change, as --filter")
    with fleet(server, credential) as client:
        group = inventory_pb2.Group(name=name, etag=etag, **fields)  # type: ignore[arg-type]
        changed = client.update_group(group, list(fields), allow_missing=create)
    click.echo(f"{name}: {changed.devices} devices.")


@groups.command("delete")
@click.argument("name", type=GROUP)
@etag_option
@yes_option
@server_option
@credential_option
def delete_group(name: str, etag: str, yes: bool, server: str, credential: Path) -> None:
    """Delete the group NAME; what it desired is desired no longer, and its devices stay."""
    if not yes:
        click.confirm(f"Delete the group {name}? Its devices get other settings.", abort=True)
    with fleet(server, credential) as client:
        client.delete_group(name, etag)
    click.echo(f"Deleted: {name}.")


def _site_row(site: inventory_pb2.Site) -> SiteRow:
    return SiteRow(
        name=site.name,
        title=site.title,
        devices=site.devices,
        labels=dict(site.labels),
        latitude=site.latitude if site.HasField("latitude") else None,
        longitude=site.longitude if site.HasField("longitude") else None,
        window=_window(site),
        daily_budget_mb=site.daily_budget_bytes / MEGABYTE or None,
        cost_a_megabyte=f"{site.megabyte_cost_milli / 1000:g} {site.currency}" if site.currency else "",
        consent_until=moment(site, "support_consent_until"),
        etag=site.etag,
    )


def _group_row(group: inventory_pb2.Group) -> GroupRow:
    return GroupRow(group.name, group.title, group.devices, group.rank, group.filter, group.etag)


def _window(site: inventory_pb2.Site) -> str:
    if not site.HasField("window"):
        return ""
    window = site.window
    days = ",".join(DAYS[day] for day in window.weekdays if day < len(DAYS))
    return f"{days} {_clock(window.start.seconds)}-{_clock(window.end.seconds)} {window.time_zone}".strip()


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def _weekdays(text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        return sorted({DAYS.index(day.strip().lower()) for day in text.split(",")})
    except ValueError as error:
        raise click.UsageError(f"{text!r} are no weekdays: write them as {','.join(DAYS)}") from error


def _milli(price: str) -> int:
    try:
        return round(float(price) * 1000)
    except ValueError as error:
        raise click.UsageError(f"{price!r} is no price: write it as 0.05") from error
