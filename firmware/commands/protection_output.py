"""What `aidpost evaluate protection` writes and prints of a run."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import UNSET
from rich.markup import escape
from rich.table import Table

from firmware.commands.common import report_console
from firmware.commands.evaluation_output import as_json
from firmware.commands.output_files import Writes
from inference.evaluation.protection.attacks import Recovered
from inference.evaluation.protection.linkability import Linkability
from inference.evaluation.protection.report import Protection, ProtectionReport, SchemeReport


def write_protection(result: Protection, json_file: Path | None, plots: Path | None) -> None:
    """Write what was asked for and print the figures; the figures as JSON come first. The folders exist."""
    console, writes = report_console(), Writes()
    if json_file is not None:
        writes.file(json_file, as_json(result.report))
    console.print(accuracy_table(result.report))
    console.print(linkability_table(result.report))
    console.print(attack_table(result.report))
    if plots is not None:
        # Importing matplotlib takes 0.5 s and 30 MB, which a run without plots need not pay.
        from inference.evaluation.plots.protection import draw_protection

        with writes.to(plots):
            for path in draw_protection(result, plots):
                click.echo(f"wrote {path}")
    writes.finish()


def accuracy_table(figures: ProtectionReport) -> Table:
    """Return error rates, sizes and times; everybody under one key, as an impostor with the stolen key is."""
    keys = list(figures.schemes[0].fnmr_at_fmr)
    table = _table(
        f"{figures.source}: accuracy under one key, {figures.identities:,} people or fingers",
        *("bytes", "EER % (95 % by identity)", *(f"FNMR % at FMR {key}" for key in keys)),
        *("largest change", "EER % without the key", "protect us", "compare us", "search 10,000 ms"),
        *(f"not among first {kept} %" for kept in _kept(figures)),
    )
    for one in figures.schemes:
        low, high = one.eer_interval_95_by_identity or (one.eer, one.eer)
        rates = []
        for key in keys:
            at = one.fnmr_at_fmr[key]
            rates.append(f"{100 * at.fnmr:.2f}" if at.supported else f"[{100 * at.fnmr:.2f}]")
        lost = {} if one.first_pass_lost is UNSET else one.first_pass_lost
        table.add_row(
            _name(one),
            f"{one.bytes:,}",
            f"{100 * one.eer:.2f} ({100 * low:.2f} to {100 * high:.2f})",
            *map(escape, rates),
            "–" if one.largest_change is None else f"{one.largest_change:.1e}",
            f"{100 * one.eer_without_key:.2f}",
            f"{one.protect_us:.0f}",
            "–" if one.compare_us is UNSET else f"{one.compare_us:.0f}",
            "–" if one.search_ms is UNSET else f"{one.search_ms:.2f}",
            *(f"{100 * lost[kept]:.2f}" if kept in lost else "–" for kept in _kept(figures)),
        )
    table.caption = "* what was chosen (docs/template-protection.md)"
    return table


def linkability_table(figures: ProtectionReport) -> Table:
    """Return D_sys, and what links whole galleries."""
    sized = any(one.size is not UNSET for one in figures.schemes)
    galleries = any(one.galleries is not UNSET for one in figures.schemes)
    table = _table(
        f"{figures.source}: linkability between two keys",
        *("D_sys, two images", "highest", "one template renewed", "highest", "by chance"),
        *(("by size: two images", "renewed") if sized else ()),
        *(("gallery renewed %", "of other images %", "by guessing %") if galleries else ()),
    )
    for one in figures.schemes:
        row = [*_linked(one.linkability), *_linked(one.renewed), f"{one.linkability.by_chance:.3f}"]
        if one.size is not UNSET and one.size_renewed is not UNSET:
            row += [f"{one.size.d_sys:.3f}", f"{one.size_renewed.d_sys:.3f}"]
        if one.galleries is not UNSET:
            of = one.galleries
            row += [
                f"{100 * share:.1f}" for share in (of.by_structure_renewed, of.by_structure, of.by_guessing)
            ]
        table.add_row(_name(one), *row)
    facts = ["D_sys 0: nothing links, 1: everything"]
    facts += ["gallery: share found again by structure alone, without a key"] if galleries else []
    table.caption = "; ".join(facts)
    return table


def attack_table(figures: ProtectionReport) -> Table:
    """Return what comes back of embeddings or cylinders, and who is found by people known in both."""
    learnt = sorted({count for one in figures.schemes for count in _learnt(one)}, key=int)
    known = sorted({count for one in figures.schemes for count in _known(one)}, key=int)
    table = _table(
        f"{figures.source}: what an attacker gets, as cosine with the truth",
        *("with the key", *(f"{count} known" for count in learnt)),
        *(f"linked by {count} known people %" for count in known),
    )
    for one in figures.schemes:
        got = [
            None if one.with_key is UNSET else one.with_key,
            *(_learnt(one).get(count) for count in learnt),
        ]
        linked = [_known(one).get(count) for count in known]
        table.add_row(
            _name(one),
            *("–" if each is None else _recovered(each) for each in got),
            *("–" if share is None else f"{100 * share:.1f}" for share in linked),
        )
    if figures.unprotected_accepted is not UNSET:
        table.caption = (
            "in brackets: % that another image of the person accepts, unprotected, at FMR 1e-3; of "
            f"embeddings as they are {100 * figures.unprotected_accepted:.1f} %"
        )
    return table


def _kept(figures: ProtectionReport) -> list[str]:
    passes = (one.first_pass_lost for one in figures.schemes if one.first_pass_lost is not UNSET)
    return sorted({kept for lost in passes for kept in lost}, key=int)


def _learnt(one: SchemeReport) -> dict[str, Recovered]:
    return {} if one.learnt is UNSET else one.learnt


def _known(one: SchemeReport) -> dict[str, float]:
    return {} if one.galleries is UNSET else one.galleries.by_known


def _recovered(got: Recovered) -> str:
    accepted = "" if got.accepted is UNSET else f" ({100 * got.accepted:.1f})"
    return f"{got.cosine:.3f}{accepted}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), box=None, caption_justify="left")
    table.add_column("scheme", overflow="fold")
    for column in columns:
        table.add_column(escape(column), justify="right")
    return table


def _name(one: SchemeReport) -> str:
    return escape(one.name + (" *" if one.shipped else ""))


def _linked(of: Linkability) -> tuple[str, str]:
    return f"{of.d_sys:.3f}", f"{of.highest:.3f}"
