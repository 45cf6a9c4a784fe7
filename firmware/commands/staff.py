"""`aidpost staff`: who may sign in at this appliance, as operator or supervisor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.table import Table

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config, report_console
from firmware.opening import open_keys, open_store
from firmware.store.errors import StaffRefused
from firmware.store.staff import MIN_PIN_DIGITS, Staff, words
from firmware.store.store import Store
from firmware.workflow.terms import Role

name_argument = click.argument("name")


@click.group()
def staff() -> None:
    """Say who may sign in here. Stop the appliance first; PINs are asked for, and never shown."""


@staff.command()
@config_option
@name_argument
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.OPERATOR.value,
    show_default=True,
    help="A supervisor may do all that an operator may, makes exceptions and decides who is staff.",
)
@click.option("--by", default="", help="The supervisor who adds NAME; asked for without it.")
@click.option(
    "--pin",
    "piped",
    type=click.Choice(["-"]),
    help="-: take the PIN from the first line of standard input, and that of the supervisor from the second.",
)
def add(config_path: Path, name: str, role: str, by: str, piped: str | None) -> None:
    """Let NAME sign in: a first name or a badge number, without spaces.

    The first one is a supervisor, and can only be made here, by whoever can open the appliance's keys; later
    ones are added by a supervisor.
    """
    wanted = Role(role)
    piped_pins = _piped_pins() if piped else []
    with opened_store(config_path) as store:
        if not store.staff.has_supervisor() and wanted is not Role.SUPERVISOR:
            raise click.ClickException(
                "add a supervisor first (`--role supervisor`), who then adds the others"
            )
        decided_by = ""
        if store.staff.has_supervisor():
            decided_by = supervisor(store, name=by, pin=_second(piped_pins) if piped else None)
        store.staff.add(
            Clock().now(), name, wanted, piped_pins[0] if piped else _new_pin(name), by=decided_by
        )
    click.echo(f"{name} signs in as {wanted.value}.")


@staff.command("list")
@config_option
def list_members(config_path: Path) -> None:
    """Show who may sign in here."""
    with opened_store(config_path) as store:
        members = store.staff.members()
    if not members:
        click.echo("Nobody signs in here yet.")
        return
    table = Table("Name", "Role", box=SIMPLE, pad_edge=False)
    for member in members:
        table.add_row(member.name, member.role.value)
    report_console().print(table)


@staff.command()
@config_option
@name_argument
def remove(config_path: Path, name: str) -> None:
    """Let NAME no longer sign in; what they did stays in the audit log."""
    with opened_store(config_path) as store:
        store.staff.remove(Clock().now(), name, by=supervisor(store))
    click.echo(f"{name} no longer signs in here.")


@staff.command()
@config_option
@name_argument
def pin(config_path: Path, name: str) -> None:
    """Set another PIN for NAME: with the old one, or by a supervisor where it was forgotten."""
    with opened_store(config_path) as store:
        known = {member.name.casefold(): member for member in store.staff.members()}
        if name.casefold() not in known:
            raise StaffRefused(f"nobody signs in as {name!r}: `aidpost staff list` names who does")
        signed = _sign_in(store, f"Who sets it? {name}, or a supervisor", default=name)
        if signed.name.casefold() != name.casefold() and not signed.may(Role.SUPERVISOR):
            raise click.ClickException(f"only {name} or a supervisor sets this PIN")
        store.staff.set_pin(Clock().now(), name, _new_pin(name), by=signed.name)
    click.echo(f"The new PIN of {name} is set.")


@contextmanager
def opened_store(config_path: Path) -> Iterator[Store]:
    """Open the store of an appliance that does not run; faults are sentences."""
    config = read_config(config_path)
    with clear_errors(), open_keys(config, ask_pin) as guard, closing(open_store(config, guard)) as store:
        yield store


def supervisor(
    store: Store,
    question: str = "Which supervisor decides this?",
    *,
    name: str = "",
    pin: bytearray | None = None,
) -> str:
    """Let a supervisor sign in at the console and return the name. name, pin: asked for where not given."""
    signed = _sign_in(store, question, name=name, pin=pin)
    if not signed.may(Role.SUPERVISOR):
        raise click.ClickException(f"{signed.name} is no supervisor")
    return signed.name


def _sign_in(
    store: Store, question: str, default: str | None = None, *, name: str = "", pin: bytearray | None = None
) -> Staff:
    name = name or click.prompt(question, default=default, err=True)
    answer = store.staff.check_pin(Clock().now(), name, ask_pin(f"PIN of {name}") if pin is None else pin)
    if isinstance(answer, Staff):
        return answer
    raise click.ClickException(words(answer))


def _piped_pins() -> list[bytearray]:
    """Return what standard input holds, a line each. Raises ClickException for none."""
    pins = [bytearray(line, "utf-8") for line in sys.stdin.read().split()]
    if not pins:
        raise click.ClickException("no PIN came from standard input")
    return pins


def _second(pins: list[bytearray]) -> bytearray:
    if len(pins) < 2:
        raise click.ClickException("the supervisor's PIN is missing: give it in a second line")
    return pins[1]


def _new_pin(name: str) -> bytearray:
    pin = ask_pin(f"New PIN for {name}, at least {MIN_PIN_DIGITS} digits")
    again = ask_pin("The same again")
    try:
        if pin != again:
            raise StaffRefused("the two PINs differ: try again")
        return bytearray(pin)
    finally:
        for text in (pin, again):
            text[:] = bytes(len(text))
