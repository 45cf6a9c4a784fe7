"""`aidpost bench`: stage times, start and memory of the whole appliance process on this machine."""

from __future__ import annotations

import asyncio
import json
import platform
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from firmware.bench.measure import measure
from firmware.bench.process import ProcessFailed
from firmware.commands.common import OutputFile
from firmware.commands.output_files import write_new
from firmware.demo.server import ServerFailed


@click.command()
@click.option("--json", "json_path", type=OutputFile(), help="Write the figures to this new file.")
def bench(json_path: Path | None) -> None:
    """Measure a real appliance process on an emulated sensor and replayed pictures.

    Times depend on the machine and drift by a third on a shared one; the aims are for two x86 cores.
    """
    console = Console()
    try:
        with Progress(console=console, transient=True) as progress:
            figures = asyncio.run(measure(progress))
    except (ProcessFailed, ServerFailed) as error:
        raise click.ClickException(str(error)) from error
    table = Table(
        "figure", "median", "min", "max", "unit", "aim", "", title=f"{platform.machine()}, one thread"
    )
    for figure in figures:
        low, high = min(figure.values), max(figure.values)
        aim = "[green]met[/]" if figure.met else "[yellow]missed[/]"
        numbers = (f"{value:.2f}" for value in (figure.median, low, high))
        table.add_row(figure.name, *numbers, figure.unit, f"≤ {figure.aim:g}", aim)
    console.print(table)
    if json_path is not None:
        found = {figure.name: figure.as_json() for figure in figures}
        write_new(json_path, f"{json.dumps(found, indent=2, ensure_ascii=False)}\n".encode())
