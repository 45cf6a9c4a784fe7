"""`aidpost operating-point`: what the thresholds are, what they rest on, and what they mean for a gallery."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from firmware.commands.common import FiniteRange, clear_errors, report_console
from firmware.config import Session
from inference.fusion import usual_price_nats
from inference.operating_point import (
    DEFAULT,
    STRENGTH_MEANING,
    GalleryTooLarge,
    OperatingPoint,
    Threshold,
)
from inference.operating_point_file import OperatingPointFile, modality_of, read
from inference.types import Modality

_MOST_INSTANCES = 2


@click.group()
def operating_point() -> None:
    """Show what the thresholds rest on."""


@operating_point.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=DEFAULT)
@click.option("--gallery", type=click.IntRange(1), help="Also what a search among so many entries means.")
@click.option(
    "--fpir",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="How often a stranger may get a suggestion.",
)
def show(file: Path, gallery: int | None, fpir: float) -> None:
    """Show the operating point in FILE; the shipped one if not given."""
    with clear_errors():
        content = read(file)
    point, console = OperatingPoint(content), report_console()
    console.print(f"[bold]{escape(content.name)}[/], made {content.created}, {content.digest}")
    for source, measured in content.sources.items():
        console.print(f"{source}: {measured.made_by}, comparator {measured.comparator}")
        data = "; ".join(
            f"{one.name} ({one.identities} identities, {one.samples} samples)" for one in measured.data_sets
        )
        console.print(f"  data: {escape(data)}")
        if measured.note:
            console.print(f"  note: {escape(measured.note)}")
    console.print(_thresholds(content))
    if gallery is not None:
        console.print(_searches(point, gallery, fpir))
    for strength, meaning in STRENGTH_MEANING.items():
        console.print(f"{strength.value}: {meaning}")


def _thresholds(content: OperatingPointFile) -> Table:
    table = Table(title="1:1, one sample against one", box=None, title_justify="left")
    for column in ("source", "FMR", "threshold, nats", "measured FMR", "at most (95 %)", "FNMR %", "95 %"):
        table.add_column(column, justify="left" if column == "source" else "right")
    for source, measured in content.sources.items():
        for row in measured.rows:
            low, high = row.fnmr_interval_95
            table.add_row(
                source,
                f"{row.fmr:.0e}",
                f"{row.threshold_llr:.2f}",
                f"{row.fmr_measured:.1e}",
                f"{row.fmr_upper_bound_95:.1e}",
                f"{100 * row.fnmr:.2f}",
                f"{100 * low:.2f} to {100 * high:.2f}",
            )
    table.caption = "\n".join(
        f"{source}: FMR {fmr:.0e} is not supported, "
        f"{measured.impostor:,} impostor comparisons of {3 / fmr:,.0f}"
        for source, measured in content.sources.items()
        for fmr in measured.unsupported_fmr
    )
    table.caption_justify = "left"
    return table


def _searches(point: OperatingPoint, gallery: int, fpir: float) -> Table:
    table = Table(
        title=f"1:few, {gallery:,} entries, a suggestion for at most {100 * fpir:g} % of strangers",
        box=None,
        title_justify="left",
    )
    for column in ("evidence", "FMR", "threshold, nats", "wrong entries a search", "at most so many entries"):
        table.add_column(column, justify="left" if column == "evidence" else "right")
    frames = Session().frames_compared()
    for sources in _evidence(point):
        price = math.fsum(usual_price_nats(point, source, *frames) for source in sources)
        found = point.for_gallery(sources, gallery, fpir, price)
        match found:
            case Threshold(llr=llr, fmr=fmr):
                wrong = point.expected_false_suggestions(gallery, fmr)
                cells = [f"{fmr:.1e}", f"{llr:.2f}", f"{wrong:.3g}"]
            case GalleryTooLarge():
                cells = ["", "refused", ""]
        largest = f"{point.largest_gallery(sources, fpir, price):,}"
        table.add_row(" + ".join(sources), *cells, f"{largest} *" if len(sources) > 1 else largest)
    table.caption = (
        "* rests on the independence of the sources alone: no data set measured so small a rate\n"
        f"a face of {frames[0]} frames is compared with one of {frames[1]}, as the configuration has it "
        "unless changed, and pays for them"
    )
    table.caption_justify = "left"
    return table


def _evidence(point: OperatingPoint) -> Iterator[tuple[str, ...]]:
    """Yield what one appliance can see of a person: its face, and fingers on one sensor model."""
    for count in range(1, _MOST_INSTANCES + 1):
        for sources in combinations_with_replacement(point.sources, count):
            faces = [source for source in sources if modality_of(source) is Modality.FACE]
            if len(faces) < 2 and len(set(sources) - set(faces)) < 2:
                yield sources
