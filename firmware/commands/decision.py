"""`aidpost decision explain`: why a decision was what it was, with its proof."""

from __future__ import annotations

from pathlib import Path

import click

from firmware import explaining
from firmware.commands.audit import file_option, opened_trail, store_option
from firmware.explaining import NotInLog
from firmware.store.audit import AuditBroken

_WIDTH = 24  # of the longest name of a line, and a space


@click.group()
def decision() -> None:
    """Decisions, explained from the audit log; no finger and no face is needed for it."""


@decision.command()
@store_option
@file_option
@click.argument("wanted", metavar="ID", nargs=-1, required=True)
def explain(config_path: Path | None, file: Path | None, wanted: tuple[str, ...]) -> None:
    """Replay why decision ID was what it was: thresholds, models, gallery, score in words, who confirmed.

    ID: its number as the commands print it (12, or record 12), the id of its record while that is kept
    here, or a row of the log, as #15. What can no longer be shown is named, and why. Exit status 1 where
    the log breaks.
    """
    with opened_trail(config_path, file) as trail:
        try:
            lines = explaining.explain(trail, " ".join(wanted))
        except NotInLog as error:
            raise click.ClickException(str(error)) from error
        for line in lines:
            click.echo(f"{line.about:<{_WIDTH}}{line.said}")
        if isinstance(trail.check(), AuditBroken):
            raise SystemExit(1)
