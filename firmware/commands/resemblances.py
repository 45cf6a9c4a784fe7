"""`aidpost resemblances`: entries that may be of one person, and the adjudicator's word on them."""

from __future__ import annotations

from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import config_option
from firmware.commands.people import SubjectType
from firmware.commands.staff import opened_store, supervisor


@click.group()
def resemblances() -> None:
    """Settle whether entries are of one person. Nothing is merged, and nobody's service waits for it."""


@resemblances.command("list")
@config_option
def list_pairs(config_path: Path) -> None:
    """Show the pairs that wait, by card or case number, and those decided at the aggregator."""
    with opened_store(config_path) as store:
        pairs, adjudged = store.work.resemblances(), store.adjudged.pairs()
    for subject, other in pairs:
        click.echo(f"{subject}  {other}")
    if not pairs:
        click.echo("Nothing waits for an adjudicator.")
    for subject, other, same in adjudged:
        word = "one person" if same else "different people"
        click.echo(f"{subject}  {other}  {word}, as two people decided at the aggregator")


@resemblances.command()
@config_option
@click.argument("subject", type=SubjectType())
@click.argument("other", type=SubjectType())
@click.option(
    "--same/--different", required=True, help="What the adjudicator found, with both people's papers."
)
def settle(config_path: Path, subject: str, other: str, same: bool) -> None:
    """Write down whether SUBJECT and OTHER are one person; a supervisor signs in.

    The pair is forgotten; the audit log keeps the decision without numbers. To take one of two entries of one
    person away, erase it (`aidpost erase`).
    """
    with opened_store(config_path) as store:
        by = supervisor(store) if store.staff.has_supervisor() else ""
        if not store.work.settle_resemblance(Clock().now(), subject, other, same=same, by=by):
            raise click.ClickException(f"{subject} and {other} do not wait for an adjudicator")
    click.echo("Written down.")
