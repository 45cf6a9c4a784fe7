"""The commands for entries that may be of one person: `adjudications list`, `decide`, `undo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from aggregator.administer import credential_option, galleries, iso, server_option
from aggregator.export import FILE_WIDTH_CHARACTERS
from aidpost.v1 import event_pb2, gallery_pb2

_FINDINGS = {
    gallery_pb2.FINDING_SAME_PERSON: "one person",
    gallery_pb2.FINDING_DIFFERENT_PEOPLE: "different people",
}
_STRENGTHS = {
    event_pb2.SCORE_STRENGTH_STRONG: "strong",
    event_pb2.SCORE_STRENGTH_FAIR: "fair",
    event_pb2.SCORE_STRENGTH_WEAK: "weak",
}


@click.group()
def adjudications() -> None:
    """Entries that may be of one person, registered at two appliances that could not ask each other.

    Two people decide, by random ids and scores; nobody sees an image. Both entries stay, linked, and the link
    can be undone.
    """


@adjudications.command("list")
@click.option("--open", "only_open", is_flag=True, help="Those alone that wait for a decision.")
@server_option
@credential_option
def list_pairs(only_open: bool, server: str, credential: Path) -> None:
    """Show the pairs, those that wait first, and what was said of each."""
    with galleries(server, credential) as service:
        request = gallery_pb2.ListAdjudicationsRequest(only_open=only_open, page_size=1000)
        page = service.ListAdjudications(request)
        found = list(page.adjudications)
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = service.ListAdjudications(request)
            found += page.adjudications
    entries = [Column(each, min_width=32) for each in ("entry", "other entry")]
    table = Table("number", "site", *entries, "score", "told by", "at", "state", box=SIMPLE, pad_edge=False)
    for pair in found:
        table.add_row(
            str(pair.number),
            pair.site,
            pair.first.hex(),
            pair.second.hex(),
            f"{_STRENGTHS.get(pair.strength, 'unknown')}, {pair.score_hundredths / 100:.2f}",
            pair.told_by,
            iso(pair.told_at),
            _state(pair),
        )
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS)
    console.print(table if table.row_count else "No pair waits." if only_open else "There is no pair.")


@adjudications.command("decide")
@click.argument("number", type=click.IntRange(1))
@click.option("--same/--different", required=True, help="One person, or different people.")
@server_option
@credential_option
def decide(number: int, same: bool, server: str, credential: Path) -> None:
    """Say whether the entries of pair NUMBER are of one person.

    It counts once a second person says the same; where the second says otherwise, the pair is open again.
    """
    finding = gallery_pb2.FINDING_SAME_PERSON if same else gallery_pb2.FINDING_DIFFERENT_PEOPLE
    with galleries(server, credential) as service:
        request = gallery_pb2.DecideAdjudicationRequest(number=number, finding=finding)
        pair = service.DecideAdjudication(request).adjudication
    click.echo(f"Pair {number}: {_state(pair)}.")


@adjudications.command("undo")
@click.argument("number", type=click.IntRange(1))
@server_option
@credential_option
def undo(number: int, server: str, credential: Path) -> None:
    """Take a decision on pair NUMBER back, or what one person said of it: it is open again."""
    with galleries(server, credential) as service:
        service.UndoAdjudication(gallery_pb2.UndoAdjudicationRequest(number=number))
    click.echo(f"Pair {number} is open again.")


def _state(pair: gallery_pb2.Adjudication) -> str:
    finding = _FINDINGS.get(pair.finding)
    if finding is None:
        return "open"
    if not pair.confirmed_by:
        return f"{finding}, says {pair.proposed_by}; another person has to confirm it"
    return f"{finding}, by {pair.proposed_by} and {pair.confirmed_by}"
