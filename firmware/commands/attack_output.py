"""What `aidpost evaluate attacks` writes and prints of a run."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from firmware.commands.evaluation_output import as_json
from firmware.commands.output_files import Writes
from inference.evaluation.attack_metrics import AtThreshold, Rate, WorstSpecies
from inference.evaluation.attacks import AttackEvaluation, AttackReport


def write_attacks(result: AttackEvaluation, json_file: Path | None, plots: Path | None) -> None:
    """Write what was asked for and print the figures; the figures as JSON come first. The folders exist."""
    console, writes = Console(), Writes()
    if json_file is not None:
        writes.file(json_file, as_json(result.report))
    console.print(presentations_table(result.report))
    console.print(rates_table(result.report))
    click.echo(result.report.statement)
    if plots is not None:
        # Importing matplotlib takes 0.5 s and 30 MB, which a run without plots need not pay.
        from inference.evaluation.plots.attacks import draw_attacks

        with writes.to(plots):
            for path in draw_attacks(result.scores, result.report.threshold, plots):
                click.echo(f"wrote {path}")
    writes.finish()


def presentations_table(figures: AttackReport) -> Table:
    """Return how many presentations there were, and how many gave no usable face."""
    table = Table(title=f"presentations, faces found by {', '.join(figures.model_digests)}", box=None)
    for column in ("presentations of", "number", "sequences", "no face %", "95 %"):
        table.add_column(column, justify="left" if column == "presentations of" else "right")
    for group in (*figures.attacks, figures.bona_fide):
        table.add_row(group.name, f"{group.presentations:,}", f"{group.sequences:,}", *_cells(group.fta))
    facts = [f"no score for {failure.image}: {failure.reason}" for failure in figures.failures[:10]]
    if len(figures.failures) > 10:
        facts.append(f"... and for {len(figures.failures) - 10} more (--json names all)")
    table.caption = "\n".join(escape(fact) for fact in facts)
    table.caption_justify = "left"
    return table


def rates_table(figures: AttackReport) -> Table:
    """Return the rates at each threshold, species by species; nothing is averaged."""
    table = Table(title=f"attack detection ({figures.detector})", box=None)
    for column in ("threshold", "", "rate", "of", "%", "95 % (Wilson)"):
        table.add_column(column, justify="right" if column.startswith(("%", "95")) else "left")
    shipped = AtThreshold(
        figures.threshold,
        WorstSpecies(figures.apcer_worst_species, figures.apcer_worst),
        figures.apcer,
        figures.bpcer,
        supported=True,
    )
    points = [
        ("as shipped", shipped),
        *((f"BPCER {float(key):.0%}", point) for key, point in figures.apcer_at_bpcer.items()),
        *((f"APCER {float(key):.0%}", point) for key, point in figures.bpcer_at_apcer.items()),
    ]
    for name, point in points:
        place = (name if point.supported else f"[{name}]", threshold_cell(point.threshold))
        for species, rate in point.apcer.items():
            worst = "APCER, worst" if species == point.apcer_worst.species else "APCER"
            table.add_row(*map(escape, place), worst, escape(species), *_cells(rate))
            place = ("", "")
        table.add_row("", "", "BPCER", figures.bona_fide.name, *_cells(point.bpcer), end_section=True)
    if not all(point.supported for _, point in points):
        table.caption = escape("[...] has fewer than 3 / rate presentations behind it")
        table.caption_justify = "left"
    return table


def threshold_cell(threshold: float) -> str:
    """Write a threshold with two digits; one that a score of 0 or 1 just fails to reach shows as such."""
    if 0 < threshold < 0.005:
        return ">0"
    return ">1" if threshold > 1 else f"{threshold:.2f}"


def _cells(rate: Rate) -> tuple[str, str]:
    low, high = rate.interval_95
    return f"{100 * rate.rate:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"
