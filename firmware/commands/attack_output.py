"""What `aidpost evaluate attacks` writes and prints of a run."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from firmware.commands.evaluation_output import write_json
from inference.evaluation.attack_metrics import AtThreshold, Rate
from inference.evaluation.attacks import AttackEvaluation, AttackReport, GroupReport


def write_attacks(result: AttackEvaluation, json_file: Path | None, plots: Path | None) -> None:
    """Print the figures and write what was asked for; the folders exist."""
    Console().print(attacks_table(result.report))
    click.echo(result.report.statement)
    if json_file is not None:
        write_json(result.report, json_file)
    if plots is not None:
        # Importing matplotlib takes 0.5 s and 30 MB, which a run without plots need not pay.
        from inference.evaluation.plots.attacks import draw_attacks

        for path in draw_attacks(result.scores, result.report.threshold, plots):
            click.echo(f"wrote {path}")


def attacks_table(figures: AttackReport) -> Table:
    """Return one row for each species and one for bona fide presentations; nothing is averaged."""
    table = Table(
        title=f"attack detection ({figures.detector}), faces found by {', '.join(figures.model_digests)}",
        box=None,
    )
    table.add_column("presentations of", overflow="fold")
    columns = ["number", "no face %", f"at {figures.threshold:g}, as shipped, %"]
    columns += [f"at BPCER {float(key):.0%}, %" for key in figures.apcer_at_bpcer]
    columns += [f"at APCER {float(key):.0%}, %" for key in figures.bpcer_at_apcer]
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    points = [*figures.apcer_at_bpcer.values(), *figures.bpcer_at_apcer.values()]
    for group in figures.attacks:
        rates = [figures.apcer[group.name], *(point.apcer[group.name] for point in points)]
        table.add_row(f"{group.name} (APCER)", *_cells(group, rates))
    table.add_row(
        f"{figures.bona_fide.name} (BPCER)",
        *_cells(figures.bona_fide, [figures.bpcer, *(point.bpcer for point in points)]),
    )
    table.caption = "\n".join(escape(fact) for fact in _facts(figures, points))
    table.caption_justify = "left"
    return table


def _cells(group: GroupReport, rates: list[Rate]) -> list[str]:
    return [f"{group.presentations:,}", f"{100 * group.fta.rate:.1f}", *(_cell(rate) for rate in rates)]


def _cell(rate: Rate) -> str:
    low, high = rate.interval_95
    return f"{100 * rate.rate:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _facts(figures: AttackReport, points: list[AtThreshold]) -> list[str]:
    facts = [
        f"worst species as shipped: {figures.apcer_worst_species}, APCER {_cell(figures.apcer_worst)} %; "
        "in brackets: 95 % intervals (Wilson)"
    ]
    if not all(point.supported for point in points):
        facts.append("some rates have fewer than 3 / rate presentations behind them (`supported` in --json)")
    facts += [f"no score for {failure.image}: {failure.reason}" for failure in figures.failures[:10]]
    if len(figures.failures) > 10:
        facts.append(f"... and for {len(figures.failures) - 10} more (--json names all)")
    return facts
