"""The commands that make and use identities: init, claim, devices approve and revoke, user, audit."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aggregator.authority import Authority, AuthorityError
from aggregator.beside import key_beside
from aggregator.credential import CallFailed, gallery_service, nobody_at, write_credential
from aggregator.export import FILE_WIDTH_CHARACTERS
from aggregator.receipts import ReceiptKey, ReceiptKeyUnusable
from aggregator.store import administration, identities, owning
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import StoreError
from aggregator.store.place import Place, Server
from aggregator.store_option import store_option
from aidpost.client import (
    Credential,
    CredentialUnusable,
    FleetClient,
    FleetError,
    InvalidRequest,
    Unreachable,
    connect,
)
from aidpost.v1 import fleet_pb2, gallery_pb2_grpc
from trust import certificates
from trust.checking import read_request
from trust.names import PEOPLE, PersonName, Role, is_name

PERSON_DAYS = 365
_SPAN = re.compile(r"(\d+)(min|h|d)")
_SPAN_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_STATES = {
    fleet_pb2.ENROLMENT_STATE_PENDING: "pending",
    fleet_pb2.ENROLMENT_STATE_APPROVED: "approved",
    fleet_pb2.ENROLMENT_STATE_HELD: "on hold",
    fleet_pb2.ENROLMENT_STATE_REVOKED: "revoked",
    fleet_pb2.ENROLMENT_STATE_REPLACED: "replaced",
}
_WAITING = (fleet_pb2.ENROLMENT_STATE_PENDING, fleet_pb2.ENROLMENT_STATE_HELD)


class SpanType(click.ParamType[timedelta]):
    """A span of time as 30min, 24h or 7d."""

    name = "span"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span that was written."""
        if isinstance(value, timedelta):
            return value
        if (span := _SPAN.fullmatch(value)) is None or len(span[1]) > 6:
            self.fail(f"{value!r} is no span: write it as 30min, 24h or 7d", param, ctx)
        return timedelta(**{_SPAN_UNITS[span[2]]: int(span[1])})


server_option = click.option(
    "--server",
    default="127.0.0.1:50051",
    envvar="AIDPOST_SERVER",
    show_default=True,
    help="Where the aggregator listens, or set AIDPOST_SERVER.",
)
credential_option = click.option(
    "--credential",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="AIDPOST_CREDENTIAL",
    required=True,
    help="Your credential's file, or set AIDPOST_CREDENTIAL.",
)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        faults = [f"{fault.field}: {fault.description}" for fault in error.fields]
        faults = [fault for fault in faults if fault not in str(error)]  # this aggregator says them itself
        raise click.ClickException("\n".join([str(error), *faults])) from error
    except (
        AuthorityError,
        CredentialUnusable,
        CallFailed,
        StoreError,
        FleetError,
        ReceiptKeyUnusable,
    ) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def fleet(server: str, credential: Path) -> Iterator[FleetClient]:
    """Yield the service as this person may use it; a fault is a sentence."""
    with _clear_errors(), connect(server, Credential.read(credential)) as client:
        try:
            yield client
        except Unreachable as error:
            raise click.ClickException(nobody_at(server)) from error


@contextmanager
def galleries(server: str, credential: Path) -> Iterator[gallery_pb2_grpc.GalleryServiceStub]:
    """Yield the service as this person may use it; a fault is a sentence."""
    with _clear_errors(), gallery_service(server, credential) as service:
        yield service


@click.command()
@click.option(
    "--identity",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder for the authority's key; keep it as you keep the store.",
)
@store_option
@click.option("--administrator", "name", default="administrator", show_default=True, help="Your name.")
@click.option(
    "--credential",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where your credential goes.  [default: NAME.pem in the identity's folder]",
)
def init(folder: Path, store: Place, name: str, credential: Path | None) -> None:
    """Make the certificate authority, the server's certificate and the first administrator's credential.

    Where the folder holds an authority already and the store has no administrator (a new store), it makes the
    credential alone.
    """
    person = _person(name, Role.ADMINISTRATOR)
    out = credential or folder / f"{name}.pem"
    with _clear_errors():
        known = (folder / "authority.pem").exists()
        authority = Authority.load(folder) if known else Authority.create(folder)
        if isinstance(store, Server):
            ReceiptKey.of(key_beside(store, folder))  # whoever copies the folder to a worker copies it too
        key = certificates.new_key()
        request = read_request(certificates.to_der(certificates.make_request(person, key)))
        now_ns = time.time_ns()
        made = authority.issue(request, now_ns, timedelta(days=PERSON_DAYS))
        with open_writer(store, None) as db, db.atomic():
            if identities.has_administrator(db):
                raise click.ClickException(
                    f"{store} has an administrator: let that person add others with `user add`"
                )
            authority.check_owns(store, it_is=owning.claim(db, authority.fingerprint, now_ns))
            identities.add_person(db, person, made, now_ns, "init")
            write_credential(
                out,
                certificates.key_to_pem(key),
                _der_to_pem(made.der),
                certificates.to_pem(authority.certificate),
            )
    click.echo(f"Authority: {folder}")
    who = "administrator" if name == person.role.value else f"administrator {name}"
    click.echo(f"Your credential, as {who}: {out}")


@click.group()
def claim() -> None:
    """Claim codes, with which devices ask to join."""


@claim.command("create")
@click.option("--site", required=True, help="The site that the device will belong to.")
@click.option("--expires", type=SpanType(), default="24h", show_default=True, help="30min, 24h, 7d.")
@server_option
@credential_option
def create_claim(site: str, expires: timedelta, server: str, credential: Path) -> None:
    """Print a claim code, good for one device; it is shown this once."""
    with fleet(server, credential) as client:
        made = client.create_claim(site, expires)
    click.echo(made.code)
    click.echo(f"For one device of {site}, until {iso(made.expires_at)}.", err=True)


@click.command("pending")
@click.option("--all", "every", is_flag=True, help="Those that wait for nothing too.")
@server_option
@credential_option
def pending(every: bool, server: str, credential: Path) -> None:
    """Show the devices that wait for an operator: those that ask to join, and those on hold."""
    with fleet(server, credential) as client:
        found = client.list_enrolments()
    table = Table("device", "site", "state", "key", "asked", "certificate ends", box=SIMPLE, pad_edge=False)
    for each in found:
        if every or each.state in _WAITING:
            ends = iso(each.certificate_ends_at) if each.HasField("certificate_ends_at") else ""
            table.add_row(
                each.device_id,
                each.site,
                _STATES.get(each.state, "unknown"),
                each.key_words,
                iso(each.requested_at),
                ends,
            )
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS)
    console.print(table if table.row_count else "No device waits.")


@click.command("approve")
@click.argument("device")
@click.argument("key")
@server_option
@credential_option
def approve(device: str, key: str, server: str, credential: Path) -> None:
    """Let DEVICE join with the KEY that its screen shows, or go on after it was on hold.

    Compare KEY with the device's own screen: two devices can claim one name.
    """
    with fleet(server, credential) as client:
        client.approve_device(device, key)
    click.echo(f"Approved: {device} with the key {key}.")


@click.command("revoke")
@click.argument("device")
@server_option
@credential_option
def revoke(device: str, server: str, credential: Path) -> None:
    """Shut DEVICE out, at once; it can come back with a new claim code."""
    with fleet(server, credential) as client:
        client.revoke_device(device)
    click.echo(f"Revoked: {device}.")
    click.echo(
        "If it shared a gallery, the custodian takes it out: aidpost custodian rotate --without "
        f"{device}, then gallery publish."
    )


@click.group()
def user() -> None:
    """People who work with the aggregator."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in PEOPLE]), required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The new credential.  [default: NAME.pem]"
)
@click.option("--days", type=click.IntRange(1, 400), default=PERSON_DAYS, show_default=True)
@server_option
@credential_option
def add_user(name: str, role: str, out: Path | None, days: int, server: str, credential: Path) -> None:
    """Give NAME a role and write the credential; an older credential of that name is worth nothing then."""
    key = certificates.new_key()
    asked = certificates.make_request(_person(name, Role(role)), key)
    path = out or Path(f"{name}.pem")
    if path.exists():
        raise click.ClickException(f"{path} is there already: name another file with --out")
    with fleet(server, credential) as client:
        made = client.add_person(certificates.to_der(asked), timedelta(days=days))
        authority = Credential.read(credential).authority
        write_credential(path, certificates.key_to_pem(key), _der_to_pem(made), authority)
    click.echo(f"Credential of {role} {name}: {path}")


@user.command("remove")
@click.argument("name")
@server_option
@credential_option
def remove_user(name: str, server: str, credential: Path) -> None:
    """Shut NAME out, at once."""
    with fleet(server, credential) as client:
        client.remove_person(name)
    click.echo(f"Removed: {name}.")


@click.group()
def audit() -> None:
    """The audit log of administration: who did what, when."""


@audit.command("show")
@server_option
@credential_option
def show_audit(server: str, credential: Path) -> None:
    """Print the log, one act a line."""
    with fleet(server, credential) as client:
        for entry in client.list_audit():
            click.echo(f"{entry.number}  {iso(entry.at)}  {entry.actor}: {entry.act} ({entry.subject})")


@audit.command("verify")
@store_option
def verify_audit(store: Place) -> None:
    """Check the log's chain in the store itself; exit status 1 when an entry does not hold."""
    with _clear_errors(), open_reader(store) as db:
        broken = administration.first_broken(db)
        count = len(administration.read(db, 1, administration.EVERY))
    if broken is not None:
        raise click.ClickException(f"entry {broken} does not hold: the log was changed after it was written")
    click.echo(f"All {count} entries hold.")


def _person(name: str, role: Role) -> PersonName:
    if not is_name(name):
        raise click.UsageError("a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    return PersonName(name, role)


def _der_to_pem(der: bytes) -> bytes:
    return certificates.to_pem(certificates.from_der(der))


def iso(moment: Timestamp) -> str:
    """Return the time as 2026-01-31T08:00:00Z."""
    return datetime.fromtimestamp(moment.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
