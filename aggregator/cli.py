"""The `aidpost-aggregator` command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoints, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import uvloop

from aggregator.account_commands import accounts
from aggregator.adjudication_commands import adjudications
from aggregator.administer import approve, audit, claim, init, pending, revoke, user
from aggregator.authority import Authority, AuthorityError
from aggregator.backup import backup
from aggregator.beside import Beside, FolderNeeded
from aggregator.carry import import_bundles
from aggregator.export import (
    DEVICE_TABLE,
    DOUBLE_COLLECTION_TABLE,
    FORMATS,
    MISSING_TABLE,
    RESULT_TABLE,
    DeviceRow,
    DoubleCollectionRow,
    Format,
    MissingRow,
    ResultRow,
    device_row,
    double_collection_row,
    missing_row,
    result_row,
    write_rows,
)
from aggregator.export_commands import export
from aggregator.exporting.policy import ExportPolicy, ExportRefused, read_signed
from aggregator.fleet_commands import fleet
from aggregator.gallery_commands import gallery
from aggregator.holdings import EVENT_KINDS
from aggregator.lists import list_
from aggregator.logs import configure_logs
from aggregator.memory import keep_large_blocks_apart
from aggregator.migrate import migrate
from aggregator.receipts import ReceiptKeyUnusable
from aggregator.report.commands import report
from aggregator.several import Several, WorkerFailed
from aggregator.store.database import open_reader
from aggregator.store.errors import StoreError
from aggregator.store.place import Place, Server
from aggregator.store.reader import read_devices, read_double_collections, read_events, read_missing
from aggregator.store_option import HELP, PlaceType, store_option
from aggregator.telling import settings as telling
from aggregator.telling.settings import TellingMisconfigured
from aggregator.traces import TracesTo
from aggregator.unpacking import MAX_INT64
from trust.service_manager import ServiceManager
from trust.tls.address import LOOPBACK_OR_TLS, Address, AddressInUse, AddressRefused
from trust.web.certificate import CertificateUnusable, context_of, names_of

if TYPE_CHECKING:
    from aggregator.dashboard.openid import OpenIdSettings
    from aggregator.server import Bound, Settings, Shown

MAX_FILES = 16_384  # three for each of 4,096 connections, and the store
_AGE = re.compile(r"(\d+)(s|min|h|d)")
_AGE_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class _AddressType(click.ParamType[Address]):
    name = "host:port"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except AddressRefused as error:
            self.fail(str(error), param, ctx)


class _SinceType(click.ParamType[int]):
    """A time in ISO 8601 (UTC unless it says otherwise) or an age as 2h; nanoseconds since 1970."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            if (age := _AGE.fullmatch(value)) is not None:
                since = datetime.now(UTC) - timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})
            else:
                since = datetime.fromisoformat(value)
            aware = since if since.tzinfo else since.replace(tzinfo=UTC)
            since_ns = int(aware.timestamp() * 1_000_000_000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a time as 2026-01-31T08:00 nor an age as 2h", param, ctx)
        # Nothing is held from beyond what the store's integers can tell, 1677 to 2262.
        return min(max(since_ns, -MAX_INT64), MAX_INT64)


_format = click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)


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


@main.command()
@store_option
@click.option(
    "--identity",
    type=click.Path(path_type=Path, file_okay=False),
    help="The authority's folder, made by `init`.",
)
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False),
    help="With a store on a server: the folder for artifacts and diagnostics, which all workers share.",
)
@click.option(
    "--bus",
    multiple=True,
    help="NATS server by which the workers of one store wake each other, as nats://127.0.0.1:4222; "
    "again for each of its cluster.",
)
@click.option(
    "--insecure-loopback",
    is_flag=True,
    help="For development: no certificates and no encryption, for this machine alone.",
)
@click.option(
    "--listen", type=_AddressType(), default="127.0.0.1:50051", show_default=True, help="For devices."
)
@click.option(
    "--dashboard", type=_AddressType(), default="127.0.0.1:8080", show_default=True, help="For people."
)
@click.option(
    "--dashboard-certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM file with the dashboard's certificate and chain: with it, it may listen beyond this machine.",
)
@click.option(
    "--dashboard-key", type=click.Path(path_type=Path, dir_okay=False), help="PEM file with its key."
)
@click.option(
    "--openid",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of an identity provider, for signing in at the dashboard (docs/dashboard.md).",
)
@click.option("--max-store-mb", type=click.IntRange(min=1), help="The size that the store may reach, in MB.")
@click.option(
    "--export-policy",
    "export_policy_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Who may have results, signed (docs/exports.md); without it nobody.",
)
@click.option(
    "--export-signer", "signers", multiple=True, help="A key that may sign it, as `export key` shows it."
)
@click.option(
    "--metrics", type=_AddressType(), help="For Prometheus, on this machine alone, as 127.0.0.1:9464."
)
@click.option(
    "--health",
    type=_AddressType(),
    help="For what restarts or balances workers: gRPC health alone, without TLS, as 0.0.0.0:50052.",
)
@click.option(
    "--traces", help="OpenTelemetry collector over HTTP for traces of decisions, as http://127.0.0.1:4318."
)
@click.option(
    "--trace-share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of the decisions."
)
@click.option("--mail-server", help="Where mail of alerts goes out, as mail.example:587.")
@click.option("--mail-from", help="The address that it comes from.")
@click.option(
    "--mail-login",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with two lines: the mail server's user and password.",
)
@click.option(
    "--hook-authorities",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM file: who certifies webhooks and the mail server, instead of the system's authorities.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes of this machine that share the port, with a store on a server and --bus.",
)
@click.option("--worker", type=int, hidden=True)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written when the server listens.")
def serve(
    store: Place,
    identity: Path | None,
    files: Path | None,
    bus: tuple[str, ...],
    insecure_loopback: bool,
    listen: Address,
    dashboard: Address,
    dashboard_certificate: Path | None,
    dashboard_key: Path | None,
    openid: Path | None,
    max_store_mb: int | None,
    export_policy_file: Path | None,
    signers: tuple[str, ...],
    metrics: Address | None,
    health: Address | None,
    traces: str | None,
    trace_share: float,
    mail_server: str | None,
    mail_from: str | None,
    mail_login: Path | None,
    hook_authorities: Path | None,
    workers: int,
    worker: int | None,
    ready_file: Path | None,
) -> None:
    """Take the devices' events and show them, until SIGTERM or Ctrl-C.

    When it listens, it prints one line of JSON with the keys listen, dashboard and pid; port 0 lets the
    system choose a port. With --workers the first of them has the dashboard, --metrics and --health.
    """
    # Here alone: the web server and gRPC's are half of what a command would load before it does anything.
    from aggregator.server import Settings

    if (identity is not None) is insecure_loopback:
        raise click.UsageError(
            "name the authority's folder with --identity (`aidpost-aggregator init` makes it); "
            "--insecure-loopback instead is for development"
        )
    if insecure_loopback and not listen.is_loopback:
        raise click.UsageError("with --insecure-loopback the server listens on this machine alone")
    if not dashboard.is_loopback and dashboard_certificate is None:
        raise click.UsageError(
            "without --dashboard-certificate and --dashboard-key the dashboard listens "
            "on this machine alone: name them, or forward its port by SSH"
        )
    if metrics is not None and not metrics.is_loopback:
        raise click.UsageError(
            "--metrics listens on this machine alone: put a proxy with TLS before it, or forward its port"
        )
    if (dashboard_certificate is None) is not (dashboard_key is None):
        raise click.UsageError("--dashboard-certificate and --dashboard-key go together: name both")
    if max_store_mb is not None and isinstance(store, Server):
        raise click.UsageError("--max-store-mb is of a file: a database server has limits of its own")
    if files is not None and not isinstance(store, Server):
        raise click.UsageError("--files is for a store on a server: a file has its folders beside it")
    _check_bus(store, bus)
    if workers > 1 and (not bus or insecure_loopback):
        raise click.UsageError(
            "--workers share a store on a server, and wake each other: name --store postgresql://..., --bus "
            "nats://... and --identity"
        )
    try:
        beside = Beside.of(store, files, identity)
    except FolderNeeded as error:
        raise click.UsageError(str(error)) from error
    if workers > 1 and worker is None:
        _run_several(workers, listen, ready_file)
        return
    _raise_file_limit()
    keep_large_blocks_apart()
    try:
        authority = None if identity is None else Authority.load(identity)
    except AuthorityError as error:
        raise click.ClickException(str(error)) from error
    export_policy = None if export_policy_file is None else _export_policy(export_policy_file, signers)
    try:
        mail = telling.mail_server(mail_server, mail_from, mail_login)
        trusted = telling.hook_trust(hook_authorities)
    except TellingMisconfigured as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(
        store=store,
        beside=beside,
        bus=bus,
        authority=authority,
        listen=listen,
        shared_port=worker is not None,
        dashboard=None if worker else dashboard,
        shown=_shown(dashboard_certificate, dashboard_key),
        openid=None if openid is None else _openid(openid),
        max_store_bytes=None if max_store_mb is None else max_store_mb * 1_000_000,
        export_policy=export_policy,
        metrics=None if worker else metrics,
        health=None if worker else health,
        traces=None if traces is None else _traces(traces, trace_share),
        mail=mail,
        hook_trust=trusted,
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, ready_file if worker is None else None, below=worker is not None))
    except (StoreError, AddressInUse, AuthorityError, ReceiptKeyUnusable) as error:
        raise click.ClickException(str(error)) from error


def _check_bus(store: Place, bus: tuple[str, ...]) -> None:
    if not bus:
        return
    if not isinstance(store, Server):
        raise click.UsageError("--bus is for workers that share a store on a server: name one with --store")
    if find_spec("nats") is None:
        raise click.ClickException("--bus needs nats-py: pip install 'aidpost[postgresql]'")
    for server in bus:
        try:
            parts = urlsplit(server)
            known = parts.scheme in ("nats", "tls") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            known = False
        if not known:
            raise click.UsageError("--bus is a NATS server: write nats://HOST:4222, or tls://HOST:4222")


def _traces(endpoint: str, share: float) -> TracesTo:
    try:
        from trust import tracing  # noqa: F401  (an extra, for those who use it)
    except ImportError as error:
        raise click.ClickException(
            f"--traces needs {error.name}, which is not installed: pip install 'aidpost[tracing]'"
        ) from error
    if not re.match(LOOPBACK_OR_TLS, endpoint):
        raise click.UsageError("--traces is an https address, or http on this machine: http://127.0.0.1:4318")
    return TracesTo(endpoint, share)


def _export_policy(file: Path, signers: tuple[str, ...]) -> ExportPolicy:
    try:
        return read_signed(file, tuple(bytes.fromhex(signer) for signer in signers))
    except ExportRefused as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError("--export-signer is 64 hex digits, as `export key` shows them") from error


def _shown(certificate: Path | None, key: Path | None) -> Shown | None:
    from aggregator.server import Shown

    if certificate is None or key is None:
        return None
    try:
        return Shown(context_of(certificate, key), names_of(certificate))
    except CertificateUnusable as error:
        raise click.ClickException(str(error)) from error


def _openid(path: Path) -> OpenIdSettings:
    try:
        from aggregator.dashboard import openid  # an extra, for those who use it
    except ImportError as error:
        raise click.ClickException(
            f"--openid needs {error.name}, which is not installed: pip install 'aidpost[openid]'"
        ) from error
    try:
        settings = openid.OpenIdSettings.read(path)
        settings.secret()
    except openid.OpenIdMisconfigured as error:
        raise click.ClickException(str(error)) from error
    return settings


def _raise_file_limit() -> None:
    """Let the process have the files that its connections need, three for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if most == resource.RLIM_INFINITY else min(MAX_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _run_several(count: int, listen: Address, ready_file: Path | None) -> None:
    manager = ServiceManager()

    def announce(ready: dict[str, Any]) -> None:
        _write_ready(ready, ready_file)
        manager.ready()

    async def run() -> None:
        await Several(count, sys.argv[1:], listen, configure_logs()).run(announce, manager.stopping)

    try:
        asyncio.run(run())
    except (AddressInUse, WorkerFailed) as error:
        raise click.ClickException(str(error)) from error


async def _serve(settings: Settings, ready_file: Path | None, *, below: bool) -> None:
    """below: a worker of another process, and ends with it."""
    from aggregator.server import Aggregator

    stop = asyncio.Event()
    if below:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Aggregator(settings, configure_logs(), time.time_ns) as bound:
        _announce(bound, ready_file)
        manager = ServiceManager()
        manager.ready()
        await stop.wait()
        manager.stopping()


def _announce(bound: Bound, ready_file: Path | None) -> None:
    ready: dict[str, Any] = {
        "listen": str(bound.listen),
        "dashboard": bound.dashboard_url,
        "pid": os.getpid(),
    }
    if bound.metrics is not None:
        ready["metrics"] = f"http://{bound.metrics}/metrics"
    if bound.health is not None:
        ready["health"] = str(bound.health)
    _write_ready(ready, ready_file)


def _write_ready(ready: dict[str, Any], ready_file: Path | None) -> None:
    line = json.dumps(ready)
    if ready_file is not None:
        partial = ready_file.with_name(ready_file.name + ".partial")
        try:
            partial.write_text(line + "\n")
            partial.replace(ready_file)  # whoever waits for the file finds it whole
        except OSError as error:
            raise click.ClickException(
                f"cannot write {ready_file} ({error.strerror}): name a file in a folder that is yours"
            ) from error
    click.echo(line)


@main.command()
@store_option
@_format
@click.option("--device", "device_id", help="One device's alone.")
@click.option("--kind", type=click.Choice(EVENT_KINDS), help="One kind alone.")
@click.option(
    "--since", "since_ns", type=_SinceType(), help="Received since 2026-01-31T08:00 (UTC), 30min, 2h, 7d."
)
@click.option("--limit", type=click.IntRange(1, MAX_INT64), help="The latest so many.")
def results(
    store: Place,
    form: Format,
    device_id: str | None,
    kind: str | None,
    since_ns: int | None,
    limit: int | None,
) -> None:
    """Show the events that are held, oldest first; also while the server runs."""
    try:
        with open_reader(store) as db:
            events = read_events(
                db, device_id=device_id, kinds=(kind,) if kind else (), since_ns=since_ns, limit=limit
            )
            write_rows(map(result_row, events), ResultRow, form, sys.stdout, RESULT_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@main.group(invoke_without_command=True)
@click.option("--store", type=PlaceType(), envvar="AIDPOST_STORE", help=HELP)
@_format
@click.pass_context
def devices(context: click.Context, store: Place | None, form: Format) -> None:
    """Show the devices of --store, what is held of each, and what is missing; or decide who is one."""
    if context.invoked_subcommand is not None:
        return
    if store is None:
        raise click.UsageError("name the store with --store, or one of the commands")
    try:
        with open_reader(store) as db:
            write_rows(map(device_row, read_devices(db)), DeviceRow, form, sys.stdout, DEVICE_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@store_option
@_format
@click.option("--device", "device_id", help="One device's alone.")
def missing(store: Place, form: Format, device_id: str | None) -> None:
    """Show which sequence numbers of which device are not held: of a lost one, what is lost with it."""
    try:
        with open_reader(store) as db:
            rows = [missing_row(each) for each in read_missing(db, device_id)]
            if form == "table" and not rows:
                click.echo("Nothing is missing, as far as each device had counted when it was last heard of.")
                return
            write_rows(rows, MissingRow, form, sys.stdout, MISSING_TABLE)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


@main.command("double-collections")
@store_option
@_format
@click.option("--cycle", help="One cycle's alone.")
def double_collections(store: Place, form: Format, cycle: str | None) -> None:
    """Show the households that collected more than once in a cycle, for reconciliation.

    Desks that could not reach each other each gave in good faith: nobody is denied for it afterwards.
    """
    try:
        with open_reader(store) as db:
            rows = [double_collection_row(each) for each in read_double_collections(db, cycle)]
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if form == "table" and not rows:
        click.echo("No household collected twice, as far as is held here.")
        return
    write_rows(rows, DoubleCollectionRow, form, sys.stdout, DOUBLE_COLLECTION_TABLE)


for _command in (
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
