"""`aidpost-aggregator serve`: its options, and what goes together."""

from __future__ import annotations

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import uvloop

from aggregator.authority import Authority, AuthorityError
from aggregator.beside import Beside, FolderNeeded, FolderUnusable
from aggregator.clock_check import ClockDiffers
from aggregator.exporting.policy import ExportPolicy, ExportRefused, read_signed
from aggregator.memory import keep_large_blocks_apart
from aggregator.receipts import ReceiptKeyUnusable
from aggregator.serving import TooFewFiles, raise_file_limit, run_one, run_several
from aggregator.store.errors import StoreError
from aggregator.store.keeping import DAY_NS
from aggregator.store.place import Place, Server
from aggregator.store_option import store_option
from aggregator.telling import settings as telling
from aggregator.telling.settings import TellingMisconfigured
from aggregator.traces import TracesTo
from trust.tls.address import LOOPBACK_OR_TLS, Address, AddressInUse, AddressRefused
from trust.tls.gate import MAX_CONNECTIONS, GateLimits
from trust.web.certificate import CertificateUnusable, context_of, names_of

if TYPE_CHECKING:
    from aggregator.dashboard.openid import OpenIdSettings
    from aggregator.settings import Shown


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


@click.command()
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
    envvar="AIDPOST_BUS",
    help="NATS server by which the workers of one store wake each other, as nats://127.0.0.1:4222, with a "
    "token before an @; again for each of its cluster. Or set AIDPOST_BUS, with spaces between them, which "
    "shows no token to whoever lists the processes.",
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
    "--keep-events",
    type=click.IntRange(31),
    help="After how many days events are erased, on a server by whole months; without it never. "
    "Sums stay for two years.",
)
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
@click.option(
    "--connections",
    type=click.IntRange(16, 65_536),
    default=MAX_CONNECTIONS,
    show_default=True,
    help="Of devices and people to one worker at the same time; each takes three open files.",
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
    keep_events: int | None,
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
    connections: int,
    worker: int | None,
    ready_file: Path | None,
) -> None:
    """Take the devices' events and show them, until SIGTERM or Ctrl-C.

    When it listens, it prints one line of JSON with the keys listen, dashboard and pid; port 0 lets the
    system choose a port. With --workers the first of them has the dashboard and --metrics, and all answer at
    --health; where the first ends it is back after a second.
    """
    # Here alone: what the server is made of is half of what a command would load before it does anything.
    from aggregator.settings import Settings

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
    try:
        beside.try_folders()
    except FolderUnusable as error:
        raise click.ClickException(str(error)) from error
    if workers > 1 and worker is None:
        run_several(workers, listen, ready_file)
        return
    try:
        raise_file_limit(connections)
    except TooFewFiles as error:
        raise click.ClickException(str(error)) from error
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
        keep_events_ns=None if keep_events is None else keep_events * DAY_NS,
        export_policy=export_policy,
        metrics=None if worker else metrics,
        health=health,
        traces=None if traces is None else _traces(traces, trace_share),
        mail=mail,
        hook_trust=trusted,
        gate_limits=GateLimits(max_connections=connections),
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_one(settings, ready_file if worker is None else None, worker))
    except (StoreError, ClockDiffers, AddressInUse, AuthorityError, ReceiptKeyUnusable) as error:
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
    from aggregator.settings import Shown

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
