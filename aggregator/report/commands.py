"""`aidpost-aggregator report data-protection`: the report as PDF and JSON."""

from __future__ import annotations

import importlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from aggregator.report.figures import DAY_NS, Period, figures
from aggregator.report.sections import preamble, sections, title
from aggregator.store.database import open_reader
from aggregator.store.errors import StoreError
from aggregator.store.place import Place
from aggregator.store_option import store_option

_day = click.DateTime(["%Y-%m-%d"])


@click.group()
def report() -> None:
    """Reports from the store; also while the server runs."""


@report.command("data-protection")
@store_option
@click.option("--from", "from_", type=_day, required=True, help="First day (UTC), as 2026-11-01.")
@click.option("--to", type=_day, required=True, help="Last day (UTC).")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the two files are written; here by default.",
)
def data_protection(store: Place, from_: datetime, to: datetime, folder: Path) -> None:
    """Say what is held, why, until when, and who saw it; the annex of an impact assessment.

    Writes data-protection.pdf and data-protection.json. Groups that are too small are not shown.
    """
    period = Period(_ns(from_), _ns(to) + DAY_NS)
    if period.to_ns <= period.from_ns:
        raise click.UsageError("--to is before --from")
    try:
        with open_reader(store) as db:
            found = figures(db, period, time.time_ns())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    made = sections(found)
    # Imported when it is needed: it takes a third of a second, which no other command pays.
    pdf = importlib.import_module("aggregator.report.pdf")
    content = {"title": title(found), "preamble": preamble(found), "sections": made, "figures": found}
    _write(folder / "data-protection.pdf", pdf.as_pdf(title(found), preamble(found), made))
    _write(
        folder / "data-protection.json", msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    )


def _ns(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _write(file: Path, data: bytes) -> None:
    """Write a file whole or not at all, for its owner alone."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise click.ClickException(f"cannot write {file}: {error.strerror}; name another folder") from error
    click.echo(f"Wrote {file}.")
