"""What `aidpost evaluate` writes and prints of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inference.errors import InferenceError
from inference.evaluation.calibration import source_point
from inference.evaluation.plots import draw, require_library
from inference.evaluation.record import add_source
from inference.evaluation.report import Evaluation, Report, SetReport

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
    operating_point: Path | None
    name: str | None
    note: str

    def prepare(self) -> None:
        """Make sure before a long run that all can be written after it."""
        if self.plots is not None:
            with clear_refusals():
                require_library()
        for folder in (
            self.plots,
            *(file.parent for file in (self.json_file, self.operating_point) if file is not None),
        ):
            if folder is not None:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError as fault:
                    raise click.ClickException(f"{folder} cannot be made: {fault.strerror}") from fault

    def write(self, result: Evaluation) -> None:
        """Print the figures and write what was asked for."""
        figures = result.report
        Console().print(figures_table(figures))
        if self.json_file is not None:
            write_json(figures, self.json_file)
        if self.plots is not None:
            for path in draw(result, self.plots):
                click.echo(f"wrote {path}")
        if self.operating_point is not None:
            with clear_refusals():
                self._add_to(self.operating_point, result)

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


def write_json(figures: msgspec.Struct, file: Path) -> None:
    """Write all figures, indented."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")


def figures_table(figures: Report) -> Table:
    """Return the figures for the terminal."""
    table = Table(title=f"{figures.source}, made by {', '.join(figures.model_digests)}", box=None)
    for column in ("data", "genuine", "impostor", "FTA %", "FTE %", "EER %", *_fmr_columns(figures)):
        table.add_column(column, justify="left" if column == "data" else "right", overflow="fold")
    rows = [*figures.data_sets, figures] if len(figures.data_sets) > 1 else [figures]
    for row in rows:
        table.add_row("all" if row is figures and len(rows) > 1 else row.name, *_cells(row))
    table.caption = "\n".join(escape(fact) for fact in _facts(figures, rows))
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
    if figures.discard is not None:
        yield f"FNMR % at FMR {figures.discard.fmr} without the worst samples by quality: " + ", ".join(
            f"{100 * point.fnmr:.2f} without {100 * point.dropped:.0f} %"
            for point in figures.discard.nearest(_DROPPED_SHARES)
        )
    yield from (f"no template from {failure.image}: {failure.reason}" for failure in figures.failures[:10])
    if len(figures.failures) > 10:
        yield f"... and from {len(figures.failures) - 10} more (--json names all)"


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
