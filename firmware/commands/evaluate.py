"""`aidpost evaluate`: error rates on named data, and the operating points that come out of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from inference.errors import InferenceError
from inference.evaluation.calibration import source_point
from inference.evaluation.face import evaluate_faces
from inference.evaluation.finger import NO_SENSOR, SENSORS, evaluate_fingers
from inference.evaluation.record import add_source
from inference.evaluation.report import Evaluation, Report, SetReport
from inference.runtime import RuntimeName

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(path_type=Path)


def _shared_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--jobs", type=click.IntRange(1), help="Processes, one core each; all cores if not given."
        ),
        click.option(
            "--runtime",
            type=click.Choice([runtime.value for runtime in RuntimeName]),
            default=RuntimeName.LITERT.value,
            show_default=True,
        ),
        click.option(
            "--name", help="Name of the operating point, for the records.  [default: name of the file]"
        ),
        click.option(
            "--operating-point",
            type=_FILE,
            help="Write calibration and thresholds to FILE; what it holds of other sources stays.",
        ),
        click.option("--note", default="", help="What else a reader of the operating point must know."),
        click.option("--json", "json_file", type=_FILE, help="Write all figures to FILE."),
    ):
        command = option(command)
    return command


@click.group()
def evaluate() -> None:
    """Measure error rates; make operating points."""


@evaluate.command()
@click.option("--images", type=_FOLDER, required=True, help="Folder in LFW's layout: NAME/NAME_0001.jpg.")
@click.option("--pairs", type=_FILE, required=True, help="Pairs in LFW's form.")
@_shared_options
def face(images: Path, pairs: Path, jobs: int | None, runtime: str, **outputs: Any) -> None:
    """Measure face recognition."""
    with _progress() as progress:
        result = evaluate_faces(images, pairs, RuntimeName(runtime), jobs or _cores(), progress)
    _finish(result, **outputs)


@evaluate.command()
@click.option(
    "--images", type=_FOLDER, required=True, multiple=True, help="Folder of FINGER_IMPRESSION.png|tif|bmp."
)
@click.argument("more_images", type=_FOLDER, nargs=-1, metavar="[DIR]...")
@click.option(
    "--sensor",
    type=click.Choice(SENSORS),
    default=NO_SENSOR,
    show_default=True,
    help="Cut the images to what this sensor model sends.",
)
@_shared_options
def finger(
    images: tuple[Path, ...],
    more_images: tuple[Path, ...],
    sensor: str,
    jobs: int | None,
    runtime: str,
    **outputs: Any,
) -> None:
    """Measure finger recognition; each folder is a data set with impostors of its own."""
    if sensor == NO_SENSOR and outputs["operating_point"] is not None:
        raise click.UsageError("an operating point belongs to a sensor model; name it with --sensor")
    with _progress() as progress:
        folders = [*images, *more_images]
        result = evaluate_fingers(folders, sensor, RuntimeName(runtime), jobs or _cores(), progress)
    _finish(result, **outputs)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _finish(
    result: Evaluation,
    json_file: Path | None,
    operating_point: Path | None,
    name: str | None,
    note: str,
) -> None:
    figures = result.report
    Console().print(_table(figures))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    if operating_point is not None:
        with _clear_errors():
            made_by = figures.model_digests[0]
            point = source_point(made_by, result.comparator, figures.protocol, result.sets, note)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            add_source(operating_point, name or operating_point.stem, created, figures.source, point)
        for fmr in point.unsupported_fmr:
            click.echo(
                f"FMR {fmr:.0e} is not supported: it takes {3 / fmr:,.0f} impostor comparisons "
                f"(rule of three), there are {point.impostor:,}"
            )
        click.echo(f"wrote {figures.source} to {operating_point}")


def _table(figures: Report) -> Table:
    table = Table(title=f"{figures.source}, made by {', '.join(figures.model_digests)}", box=None)
    for column in ("data", "genuine", "impostor", "FTA %", "FTE %", "EER %", *_fmr_columns(figures)):
        table.add_column(column, justify="left" if column == "data" else "right", overflow="fold")
    rows = [*figures.data_sets, figures] if len(figures.data_sets) > 1 else [figures]
    for row in rows:
        table.add_row("all" if row is figures and len(rows) > 1 else row.name, *_cells(row))
    facts = []
    if not all(at.supported for row in rows for at in row.fnmr_at_fmr.values()):
        facts.append(escape("[...] has fewer than 3 / FMR impostor comparisons behind it"))
    facts += [f"extract {figures.extract_ms_p50:.1f} ms, compare {figures.compare_ms_p50:.3f} ms (median)"]
    if isinstance(figures.accuracy, float):
        facts.append(
            f"accuracy {100 * figures.accuracy:.2f} % over {figures.accuracy_pairs} pairs, "
            f"deviation of the folds {100 * float(figures.accuracy_fold_deviation or 0):.2f}; "
            f"{100 * float(figures.accuracy_of_compared or 0):.2f} % over those with both templates"
        )
    facts += [f"no template from {failure.image}: {failure.reason}" for failure in figures.failures[:10]]
    if len(figures.failures) > 10:
        facts.append(f"... and from {len(figures.failures) - 10} more (--json names all)")
    table.caption = "\n".join(facts)
    table.caption_justify = "left"
    return table


def _fmr_columns(figures: Report) -> list[str]:
    return [f"FNMR % at FMR {fmr}" for fmr in figures.fnmr_at_fmr]


def _cells(row: SetReport) -> list[str]:
    cells = [f"{row.genuine:,}", f"{row.impostor:,}"]
    cells += [f"{100 * rate:.2f}" for rate in (row.fta, row.fte, row.eer)]
    for at in row.fnmr_at_fmr.values():
        low, high = at.interval_95
        interval = f"{100 * at.fnmr:.2f} ({100 * low:.2f} to {100 * high:.2f})"
        cells.append(interval if at.supported else escape(f"[{interval}]"))
    return cells


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except InferenceError as fault:
        raise click.ClickException(str(fault)) from fault


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each stage; refusals become one clear sentence."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = time.monotonic()
    with _clear_errors(), Progress(*columns, console=Console(stderr=True)) as bars:
        known: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=total)
            bars.update(known[stage], completed=done)

        yield show
    click.echo(f"took {time.monotonic() - began:.0f} s", err=True)
