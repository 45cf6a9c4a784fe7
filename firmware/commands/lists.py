"""`aidpost list`: the appointments of a day, or the households of a cycle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import IdentifierType, config_option, read_config
from firmware.commands.staff import opened_store, supervisor
from firmware.config import Config
from firmware.lists.fitting import Here, unfit
from firmware.lists.reading import FaultsFound, ReadList, read_list
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from firmware.opening import store_settings
from firmware.store.lock import holder
from firmware.store.store import Store, lock_of
from trust.lists.summary import summary
from trust.lists.terms import ClinicList, PlannedList
from trust.service import Workflow

_FAULTS_SHOWN = 100

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group("list")
def list_() -> None:
    """Load the appointments of a day, or the households of a cycle."""


@list_.command()
@_file
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The appliance's TOML file: checks also whether the list is for this appliance and today.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Show all faults, not the first {_FAULTS_SHOWN}.")
def check(file: Path, config_path: Path | None, show_all: bool) -> None:
    """Say what of FILE (CSV, XLSX or signed) has to be corrected, with row and column; loads nothing.

    Exit status 0: it can be loaded; 1: it cannot.
    """
    config = None if config_path is None else read_config(config_path)
    read = read_or_exit(file, config, show_all=show_all)
    for line in summary(read.planned):
        click.echo(line)
    if read.signed_by is None:
        click.echo("Not signed: two supervisors load it.")
    else:
        click.echo(f"Signed with the key {read.signed_by.hex()}")


@list_.command("import")
@_file
@config_option
def import_(file: Path, config_path: Path) -> None:
    """Load FILE (CSV, XLSX or signed) whole, in place of an earlier version of the same day or cycle.

    Two supervisors compare what is shown with the paper that they have, and sign in. A clinic's list that an
    issuer signed is loaded without them. While the appliance runs its page does this. Exit status 1: nothing
    was loaded.
    """
    config = read_config(config_path)
    read_or_exit(file, config)
    with _store_of_stopped(config, config_path) as store:
        present = store.lists.loaded()
        read = read_or_exit(file, config, cycle=present.cycle if present else "")
        for line in summary(read.planned):
            click.echo(line)
        approved = () if read.signed_by and isinstance(read.planned, ClinicList) else _two_supervisors(store)
        loaded = store.lists.load(Clock().now(), read.planned, approved)
    click.echo(f"Loaded: {loaded.entries} {_entries(read.planned)}.")


@list_.command()
@config_option
def show(config_path: Path) -> None:
    """Show which list is loaded; no number of anybody is shown.

    While the appliance runs its page does this.
    """
    with _store_of_stopped(read_config(config_path), config_path) as store:
        present = store.lists.loaded()
        if present is None:
            click.echo("No list is loaded.")
            return
        lines = [
            ("for", f"{present.workflow.value} at {present.site}"),
            ("cycle or day", present.cycle),
            ("from, to", f"{present.first_day}, {present.last_day}"),
            ("entries", str(present.entries)),
            ("approved by", ", ".join(present.approved_by) or "an issuer's signature"),
        ]
        if present.workflow is Workflow.DISTRIBUTION:
            counts = store.ledger.counts()
            lines += [
                ("desk", present.desk),
                ("appliances", ", ".join(present.roster)),
                ("given here", str(counts.here)),
                ("exceptions left", f"{counts.exceptions_left} of {present.loss_cap}"),
            ]
    for name, value in lines:
        click.echo(f"{name:<16} {value}")


@list_.command()
@click.argument("kind", type=click.Choice(("clinic", "distribution")))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="A new file: .csv, or .xlsx, whose cells are text, so that numbers stay as they are typed.",
)
@click.option(
    "--site",
    type=IdentifierType("site"),
    default="site-1",
    show_default=True,
    help="As in the appliance's `device.site`.",
)
@click.option(
    "--device",
    "device_id",
    type=IdentifierType("device"),
    default="desk-1",
    show_default=True,
    help="As in `device.id`.",
)
def template(kind: str, out: Path, site: str, device_id: str) -> None:
    """Write an example to fill in."""
    if out.suffix.lower() not in (".csv", ".xlsx"):
        raise click.UsageError(f"--out {out}: name a file that ends with .csv or .xlsx")
    rows = clinic_rows(site, today()) if kind == "clinic" else distribution_rows(site, device_id, today())
    try:
        write_template(rows, out)
    except FileExistsError as error:
        raise click.ClickException(f"{out} is there already: name a new file") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {out} ({error.strerror}): name another folder") from error
    click.echo(f"Wrote {out}: replace its rows, then try it with `aidpost list check {out}`.")


@contextmanager
def _store_of_stopped(config: Config, config_path: Path) -> Iterator[Store]:
    """Open the store; while the appliance runs, name the page that does the same."""
    running = holder(lock_of(store_settings(config).path))
    if running is not None and config.page is not None:
        raise click.ClickException(
            f"the appliance runs (pid {running}), and its page does this: sign in there as a supervisor, "
            'touch the calendar, then "The list"; or stop the appliance first'
        )
    with opened_store(config_path) as store:
        yield store


def read_or_exit(
    file: Path,
    config: Config | None,
    *,
    trusted: tuple[bytes, ...] | None = None,
    show_all: bool = False,
    cycle: str = "",
) -> ReadList:
    """Return the list of a file that can be loaded; otherwise say all that is wrong and exit with status 1.

    trusted: issuers, where no configuration names them; None: anybody. cycle: that is loaded, or empty.
    """
    try:
        read = read_list(file, trusted if config is None else config.issuer.trusted())
    except OSError as error:
        raise click.ClickException(
            f"cannot read {file} ({error.strerror}): check its name and rights"
        ) from error
    if isinstance(read, FaultsFound):
        _say(read.lines(file.name), show_all=show_all)
        raise SystemExit(1)
    if config is not None:
        device = config.device
        faults = unfit(read.planned, Here(device.site, device.purpose, device.id, today(), cycle))
        if faults:
            _say([f"{file.name}: {fault.what}" for fault in faults], show_all=True)
            raise SystemExit(1)
    return read


def today() -> date:
    """Return the day by this machine's clock and time zone."""
    return datetime.now().astimezone().date()


def _two_supervisors(store: Store) -> tuple[str, str]:
    first = supervisor(store, "First supervisor")
    second = supervisor(store, "Second supervisor")
    if first.casefold() == second.casefold():
        raise click.ClickException("nothing was loaded: two different supervisors answer for a list")
    return first, second


def _entries(planned: PlannedList) -> str:
    return "appointments" if isinstance(planned, ClinicList) else "households"


def _say(lines: list[str], *, show_all: bool) -> None:
    shown = lines if show_all else lines[:_FAULTS_SHOWN]
    for line in shown:
        click.echo(line, err=True)
    if hidden := len(lines) - len(shown):
        click.echo(f"and {hidden} more (--all shows them)", err=True)
    click.echo(f"Nothing was loaded; {len(lines)} to correct.", err=True)
