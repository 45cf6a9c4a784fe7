"""What `aidpost evaluate` writes and prints of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from firmware.commands.common import report_console
from firmware.commands.output_files import Writes, try_file, try_folder
from inference.errors import InferenceError
from inference.evaluation.calibration import source_point
from inference.evaluation.cohort_figures import CohortRate, CohortReport
from inference.evaluation.cohort_file import CohortFile
from inference.evaluation.cohorts import cohort_report, worse_cohorts
from inference.evaluation.controls import Controls
from inference.evaluation.frames import FramesReport
from inference.evaluation.fuse import Fusion, FusionReport
from inference.evaluation.plots import draw, draw_fusion, require_library
from inference.evaluation.record import add_source
from inference.evaluation.report import Evaluation, Report, SetReport
from inference.operating_point_file import read

_DROPPED_SHARES = (0.05, 0.1, 0.2)


@contextmanager
def clear_refusals() -> Iterator[None]:
    """Turn refusals into one clear sentence."""
    try:
        yield
    except InferenceError as fault:
        raise click.ClickException(str(fault)) from fault


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the figures of a run go; None: nowhere."""

    json_file: Path | None
    plots: Path | None
    cohorts: CohortFile | None = None
    operating_point: Path | None = None
    name: str | None = None
    note: str = ""

    def prepare(self) -> None:
        """Make sure before a long run that all can be written after it."""
        if self.plots is not None:
            with clear_refusals():
                require_library()
            try_folder(self.plots)
        if self.json_file is not None:
            try_file(self.json_file)
        if self.operating_point is not None:
            if self.operating_point.exists():
                if not self.operating_point.is_file():
                    raise click.ClickException(f"{self.operating_point} is no file")
                with clear_refusals():
                    read(self.operating_point)
            try_folder(self.operating_point.parent)  # the file is replaced, never written over

    def write(self, result: Evaluation) -> None:
        """Write what was asked for and print the figures; the figures as JSON come first."""
        figures, cohorts, writes = result.report, None, Writes()
        if self.cohorts is not None:
            with clear_refusals():
                cohorts = cohort_report(figures, result.sets, self.cohorts)
            figures = msgspec.structs.replace(figures, cohorts=cohorts)
        if self.json_file is not None:
            writes.file(self.json_file, as_json(figures))
        report_console().print(figures_table(figures))
        if isinstance(figures.frames, FramesReport):
            report_console().print(frames_table(figures.frames))
        if cohorts is not None:
            report_console().print(cohorts_table(cohorts))
        if self.plots is not None:
            with writes.to(self.plots):
                for path in draw(result, self.plots, cohorts):
                    click.echo(f"wrote {path}")
        if self.operating_point is not None:
            with writes.to(self.operating_point), clear_refusals():
                self._add_to(self.operating_point, result)
        writes.finish()

    def write_fusion(self, result: Fusion) -> None:
        """Write what was asked for and print the figures of fusion."""
        writes = Writes()
        if self.json_file is not None:
            writes.file(self.json_file, as_json(result.report))
        report_console().print(fusion_table(result.report))
        if self.plots is not None:
            with writes.to(self.plots):
                click.echo(f"wrote {draw_fusion(result, self.plots)}")
        writes.finish()

    def _add_to(self, file: Path, result: Evaluation) -> None:
        figures = result.report
        point = source_point(
            figures.model_digests[0], result.comparator, figures.protocol, result.scores, self.note
        )
        created = datetime.now(UTC).isoformat(timespec="seconds")
        add_source(file, self.name or file.stem, created, figures.source, point)
        for fmr in point.unsupported_fmr:
            click.echo(
                f"FMR {fmr:.0e} is not supported: it takes {3 / fmr:,.0f} impostor comparisons "
                f"(rule of three), there are {point.impostor:,}"
            )
        click.echo(f"wrote {figures.source} to {file}")


def as_json(figures: msgspec.Struct) -> bytes:
    """Return all figures, indented."""
    return msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n"


def figures_table(figures: Report) -> Table:
    """Return the figures for the terminal."""
    table = Table(title=f"{figures.source}, made by {', '.join(figures.model_digests)}", box=None)
    for column in ("data", "genuine", "impostor", "FTA %", "FTE %", "EER %", *_fmr_columns(figures)):
        table.add_column(column, justify="left" if column == "data" else "right", overflow="fold")
    rows = [*figures.data_sets, figures] if len(figures.data_sets) > 1 else [figures]
    for row in rows:
        table.add_row("all" if row is figures and len(rows) > 1 else row.name, *_cells(row, figures))
    table.caption = "\n".join(escape(fact) for fact in _facts(figures, rows))
    table.caption_justify = "left"
    return table


def frames_table(figures: FramesReport) -> Table:
    """Return what probes of several images gave for the terminal."""
    table = Table(title=f"probes of up to {figures.frames} images, thresholds of single images", box=None)
    keys = tuple(figures.rows[0].fnmr)
    for column in ("probe", "reference"):
        table.add_column(column)
    for column in ("genuine", "impostor", *(f"FNMR % at FMR {key}" for key in keys)):
        table.add_column(column, justify="right", overflow="fold")
    for key in keys:
        table.add_column(f"FMR % for {key} (ratio)", justify="right", overflow="fold")
    for row in figures.rows:
        ratios = ("–" if times is None else f"{times:.2f}" for times in row.fmr_ratio.values())
        table.add_row(
            *(row.probe, row.reference, f"{row.genuine:,}", f"{row.impostor:,}"),
            *("–" if fnmr is None else f"{100 * fnmr:.2f}" for fnmr in row.fnmr.values()),
            *(
                f"{100 * row.fmr_measured[key]:.4f} ({ratio})"
                for key, ratio in zip(keys, ratios, strict=True)
            ),
        )
    table.caption = (
        f"{figures.people} people with more than {figures.frames} images, {figures.draws} draws "
        f"(seed {figures.seed}); different photographs, not frames of one moment"
    )
    table.caption_justify = "left"
    return table


def fusion_table(figures: FusionReport) -> Table:
    """Return the figures of each part and of all together for the terminal."""
    table = Table(title=f"face and fingers, made by {', '.join(figures.model_digests)}", box=None)
    columns = ("part", "genuine", "impostor", "FTA %", "FTE %", "EER %", *_fmr_columns(figures))
    for column in columns:
        table.add_column(column, justify="left" if column == "part" else "right", overflow="fold")
    for name, part in figures.parts.items():
        table.add_row(name, *_cells(part, figures))
    facts = [
        f"{name} at the threshold of the other half for FMR {fmr}: "
        f"FMR {at.fmr_measured:.2g}, FNMR {100 * at.fnmr:.2f} %"
        for name, part in figures.parts.items()
        for fmr, at in part.at_held_out_threshold.items()
        if at.supported
    ]
    facts.append(
        f"virtual subjects, put together {figures.pairings} times (seed {figures.seed}): face and "
        "fingers of a person are taken as independent"
    )
    facts.append("[...] has fewer than 3 / FMR impostor comparisons behind it, all pairings counted as one")
    table.caption = "\n".join(escape(fact) for fact in facts)
    table.caption_justify = "left"
    return table


def _facts(figures: Report, rows: Sequence[SetReport]) -> Iterator[str]:
    if not all(at.supported for row in rows for at in row.fnmr_at_fmr.values()):
        yield "[...] has fewer than 3 / FMR impostor comparisons behind it"
    yield f"extract {figures.extract_ms_p50:.1f} ms, compare {figures.compare_ms_p50:.3f} ms (median)"
    if isinstance(figures.accuracy, float):
        yield (
            f"accuracy {100 * figures.accuracy:.2f} % over {figures.accuracy_pairs} pairs, "
            f"deviation of the folds {100 * float(figures.accuracy_fold_deviation or 0):.2f}; "
            f"{100 * float(figures.accuracy_of_compared or 0):.2f} % over those with both templates"
        )
    if figures.calibration is not None:
        cost = figures.calibration
        yield (
            f"calibration: Cllr {cost.cllr:.3f} bits, at best {cost.min_cllr:.3f}; tried on {cost.held_out}"
        )
    if figures.discard is not None and len(figures.discard.points) > 1:
        yield f"FNMR % at FMR {figures.discard.fmr} without the worst samples by quality: " + ", ".join(
            f"{100 * point.fnmr:.2f} without {100 * point.dropped:.0f} %"
            for point in figures.discard.nearest(_DROPPED_SHARES)
        )
    if isinstance(figures.controls, Controls):
        control = figures.controls
        yield (
            f"controls: EER {100 * control.shuffled_eer:.1f} % with identities shuffled, {control.shuffles} "
            f"times (deviation {100 * control.shuffled_eer_deviation:.1f}); {control.swapped} scores change "
            f"by {control.swapped_largest_change:.2g} at most with probe and reference swapped"
        )
    yield from (f"no template from {failure.image}: {failure.reason}" for failure in figures.failures[:10])
    if len(figures.failures) > 10:
        yield f"... and from {len(figures.failures) - 10} more (--json names all)"


def cohorts_table(cohorts: CohortReport) -> Table:
    """Return the rates by cohort for the terminal."""
    table = Table(title=f"cohorts at the common threshold, FMR {cohorts.fmr}", box=None)
    for column in ("cohort", "images", "identities", "FTA %", "FTE %", "FNMR %", "FMR %"):
        table.add_column(column, justify="left" if column == "cohort" else "right", overflow="fold")
    for attribute, values in cohorts.attributes.items():
        for name, row in values.items():
            rates = (row.fta, row.fte, row.fnmr, row.fmr)
            table.add_row(
                f"{attribute}: {name}", f"{row.images:,}", f"{row.identities:,}", *map(_rate_cell, rates)
            )
    facts = [
        f"! is more than {100 * (cohorts.bar - 1):.0f} % worse than all; !? is so far, but too few to say"
    ]
    facts += [
        f"{attribute} {cohort}: {rate} {100 * at.rate:.3g} % against {100 * at.overall:.3g} % of all"
        for attribute, cohort, rate, at in worse_cohorts(cohorts)
        if at.settled and at.rate is not None
    ]
    if cohorts.rows_unused:
        facts.append(f"{cohorts.rows_unused} rows of {cohorts.file} name nothing in the data")
    table.caption = "\n".join(escape(fact) for fact in facts)
    table.caption_justify = "left"
    return table


def _rate_cell(rate: CohortRate) -> str:
    if rate.rate is None:
        return "–"
    low, high = rate.interval_95
    mark = ("! " if rate.settled else "!? ") if rate.worse else ""
    return f"{mark}{100 * rate.rate:.3g} ({100 * low:.2g} to {100 * high:.2g})"


def _fmr_columns(figures: Report) -> list[str]:
    return [f"FNMR % at FMR {fmr}" for fmr in figures.fnmr_at_fmr]


def _cells(row: SetReport, whole: SetReport) -> list[str]:
    """Return the cells of one row; its columns are the rates that `whole` is reported at."""
    cells = [f"{row.genuine:,}", f"{row.impostor:,}"]
    cells += [f"{100 * rate:.2f}" for rate in (row.fta, row.fte, row.eer)]
    for key in whole.fnmr_at_fmr:
        at = row.fnmr_at_fmr.get(key)
        if at is None:
            cells.append("–")
            continue
        low, high = at.interval_95
        interval = f"{100 * at.fnmr:.2f} ({100 * low:.2f} to {100 * high:.2f})"
        cells.append(interval if at.supported else escape(f"[{interval}]"))
    return cells
