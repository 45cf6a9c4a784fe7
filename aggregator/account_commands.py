"""The commands of the dashboard's accounts: accounts add, list, role, disable, enable, password."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aggregator.accounts import AccountRole, Credential
from aggregator.export import FILE_WIDTH_CHARACTERS
from aggregator.passwords import PasswordRefused, make_credential, new_totp_secret, totp_address
from aggregator.store import accounts as register
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import StoreError
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store_option import store_option
from trust.names import is_name

ACTOR = "console"
"""Whoever can write the store."""

_role = click.option("--role", type=click.Choice([role.value for role in AccountRole]), required=True)
_password = click.option(
    "--password-file",
    type=click.File("r"),
    help="Read the password from the first line of this file, - for the standard input, instead of asking.",
)
_code = click.option(
    "--second-factor",
    is_flag=True,
    help="Ask for a code of an authenticator program too; prints what that program is given, this once.",
)


@click.group()
def accounts() -> None:
    """Who signs in at the dashboard; also while the server runs.

    A viewer looks. An operator also sends commands, acknowledges and pauses. An administrator also does what
    cannot be taken back, and reads the audit log. An auditor, the officer for data protection, looks and
    reads the audit log.
    """


@accounts.command()
@click.argument("name")
@_role
@_password
@_code
@store_option
def add(name: str, role: str, password_file: TextIO | None, second_factor: bool, store: Place) -> None:
    """Make the account NAME. From the first one on the dashboard asks everybody to sign in."""
    if not is_name(name):
        raise click.UsageError("a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    secret = new_totp_secret() if second_factor else None
    credential = _credential(name, password_file, secret)
    _change(
        store,
        lambda db, now_ns: register.add(db, name, AccountRole(role), credential, now_ns, ACTOR),
        f"there is an account {name} already: name another, or set its password",
    )
    click.echo(f"Account of {role} {name}.")
    _show_code(name, secret)


@accounts.command("list")
@store_option
def list_accounts(store: Place) -> None:
    """Show the accounts."""
    with _clear_errors(), open_reader(store) as db:
        found = register.read(db)
    table = Table("name", "role", "second factor", "made", "state", box=SIMPLE, pad_edge=False)
    for each in found:
        made = datetime.fromtimestamp(each.made_ns / 1e9, UTC)
        table.add_row(
            each.name,
            each.role.value,
            "yes" if each.second_factor else "no",
            f"{made:%Y-%m-%dT%H:%M:%SZ}",
            "active" if each.disabled_ns is None else "disabled",
        )
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS)
    console.print(table if table.row_count else "There is no account: `accounts add` makes one.")


@accounts.command()
@click.argument("name")
@_role
@store_option
def role(name: str, role: str, store: Place) -> None:
    """Give NAME another role; who is signed in so signs in again."""
    _change(
        store,
        lambda db, now_ns: register.set_role(db, name, AccountRole(role), now_ns, ACTOR),
        f"there is no account {name}: `accounts list` shows them",
    )
    click.echo(f"{name} is {role} now.")


@accounts.command()
@click.argument("name")
@store_option
def disable(name: str, store: Place) -> None:
    """Let NAME open nothing any more, at once."""
    _change(
        store,
        lambda db, now_ns: register.set_disabled(db, name, True, now_ns, ACTOR),
        f"there is no account {name} that is active: `accounts list` shows them",
    )
    click.echo(f"Disabled: {name}.")


@accounts.command()
@click.argument("name")
@store_option
def enable(name: str, store: Place) -> None:
    """Let NAME sign in again."""
    _change(
        store,
        lambda db, now_ns: register.set_disabled(db, name, False, now_ns, ACTOR),
        f"there is no account {name} that is disabled: `accounts list` shows them",
    )
    click.echo(f"Enabled: {name}.")


@accounts.command()
@click.argument("name")
@_password
@_code
@store_option
def password(name: str, password_file: TextIO | None, second_factor: bool, store: Place) -> None:
    """Set another password for NAME; the second factor is as said here. Wrong tries are forgotten."""
    secret = new_totp_secret() if second_factor else None
    credential = _credential(name, password_file, secret)
    _change(
        store,
        lambda db, now_ns: register.set_credential(db, name, credential, now_ns, ACTOR),
        f"there is no account {name}: `accounts list` shows them",
    )
    click.echo(f"Password of {name} set.")
    _show_code(name, secret)


def _credential(name: str, file: TextIO | None, secret: bytes | None) -> Credential:
    if file is None:
        typed = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        typed = file.readline().rstrip("\r\n")
    try:
        return make_credential(name, typed, totp=secret)
    except PasswordRefused as error:
        raise click.ClickException(str(error)) from error


def _show_code(name: str, secret: bytes | None) -> None:
    if secret is not None:
        click.echo(f"For the authenticator program, shown this once: {totp_address(name, secret)}")


def _change(store: Place, work: Callable[[Database, int], bool], otherwise: str) -> None:
    with _clear_errors(), open_writer(store, None, beside_server=True) as db, db.atomic():
        db.execute(
            "UPDATE outboxes SET outbox = outbox WHERE 1 = 0"
        )  # a write first, as a server may commit too
        if not work(db, time.time_ns()):
            raise click.ClickException(otherwise)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
