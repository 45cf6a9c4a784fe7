"""`aidpost simulate day`: the work of a day with people who are drawn, in minutes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from firmware.commands.common import FiniteRange, OutputFile, report_console
from firmware.commands.output_files import try_folder, write_new
from firmware.commands.simulation_output import show_result
from firmware.day.figures import figures
from firmware.day.known import known
from firmware.day.report_files import ReportNotWritten, write_report
from firmware.simulate.day import Course, Plan
from firmware.simulate.day import simulate as simulate_day
from firmware.simulate.error_rates import ErrorRates
from firmware.simulate.results import Result, result
from inference.errors import InferenceError
from inference.operating_point import DEFAULT
from inference.operating_point_file import read
from trust.service import Workflow

_MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
_WORKFLOWS = (Workflow.CLINIC.value, Workflow.DISTRIBUTION.value)


@click.group()
def simulate() -> None:
    """Try the work with people who are drawn, before real ones come."""


@simulate.command()
@click.option("--workflow", type=click.Choice(_WORKFLOWS), required=True)
@click.option(
    "--people",
    type=click.IntRange(1, 20_000),
    required=True,
    help="Appointments, or households, on the list; a few of them do not come, and others come twice.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--hours", type=FiniteRange(0.5, 24), default=8.0, show_default=True)
@click.option("--lanes", type=click.IntRange(0, 50), default=0, help="0: as many as WORKFLOWS.md asks for.")
@click.option("--operating-point", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT)
@click.option("--json", "json_path", type=OutputFile(), help="Write the figures to this new file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the figures and each lane's own report, as the appliance writes it at its close.",
)
def day(
    workflow: str,
    people: int,
    seed: int,
    hours: float,
    lanes: int,
    operating_point: Path,
    json_path: Path | None,
    out: Path | None,
) -> None:
    """Let a day go by: real station, machines, encrypted store, ledger and report; drawn people and time.

    What finger and face do comes from the operating point's measured error rates, how people behave from
    assumptions (docs/simulation.md). The stores lie in memory where there is /dev/shm, and are gone
    afterwards. The same seed gives the same digest. Exit status 1 where a rule of the work does not hold.
    """
    if workflow == Workflow.CLINIC.value and lanes > people:
        raise click.UsageError(
            f"--lanes: each lane of a clinic has a list of its own, and {people} people make no {lanes} lists"
        )
    if out is not None:
        try_folder(out)
    try:
        rates = ErrorRates.of(read(operating_point))
    except InferenceError as error:
        raise click.ClickException(str(error)) from error
    plan = Plan(workflow=Workflow(workflow), people=people, seed=seed, hours=hours, lanes=lanes)
    found: list[Result] = []

    def finish(course: Course) -> None:
        found.append(result(course, rates.name))
        if out is not None:
            _write_reports(course, found[0], out)

    folder_of = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="aidpost-simulated-", dir=folder_of) as folder,
        _progress() as progress,
    ):
        bar = progress.add_task("people", total=None)
        simulate_day(
            plan, rates, Path(folder), finish, lambda done, of: progress.update(bar, completed=done, total=of)
        )
    (shown,) = found
    if json_path is not None:
        write_new(json_path, _as_json(shown))
    show_result(shown, report_console())
    if shown.broken_rules:
        raise SystemExit(1)


def _write_reports(course: Course, shown: Result, out: Path) -> None:
    try:
        for lane in course.lanes:
            write_report(figures(lane.store.day.served(), known(lane.store)), out / lane.device_id)
        (out / "figures.json").write_bytes(_as_json(shown))
    except (ReportNotWritten, OSError) as error:
        raise click.ClickException(str(error)) from error


def _as_json(shown: Result) -> bytes:
    return msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n"


def _progress() -> Progress:
    # On its own channel, so that the figures can be piped; nothing is drawn where that is no terminal.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=sys.stderr), transient=True)
