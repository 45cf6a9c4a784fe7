"""`aidpost-aggregator export`: the export policy, checked and signed."""

from __future__ import annotations

from pathlib import Path

import click

from aggregator.exporting import policy as export_policy
from aggregator.exporting.policy import ExportRefused
from trust.issuer import IssuerKey, IssuerKeyUnusable

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def export() -> None:
    """Who may have results: the export policy, which the data-protection officer signs."""


@export.command()
@_file
def key(file: Path) -> None:
    """Make a signing key in the new file FILE, or show the public half of the one that is there."""
    try:
        found = IssuerKey.load(file) if file.exists() else IssuerKey.create(file)
    except IssuerKeyUnusable as error:
        raise click.ClickException(str(error)) from error
    click.echo(found.public.hex())


@export.command()
@_file
def check(file: Path) -> None:
    """Check FILE, and say what it means."""
    try:
        policy = export_policy.read(file)
    except ExportRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Edition {policy.edition}; {policy.controller} answers for the data.")
    for each in policy.recipients:
        click.echo(f"  {each.name}, until {each.until}: {each.why}")
        click.echo(f"    {', '.join(each.kinds)} of {', '.join(each.sites) or 'all sites'}")
        click.echo(f"    as {', '.join(each.formats)}, with {', '.join(each.columns)}")
    click.echo("Nobody else may have anything. Its signature was not checked: `serve` does.")


@export.command()
@_file
@click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The officer's key, made by `export key`.",
)
def sign(file: Path, key_path: Path) -> None:
    """Sign FILE; the signature is written beside it, and both go to the server."""
    try:
        beside = export_policy.sign(file, IssuerKey.load(key_path))
    except (ExportRefused, IssuerKeyUnusable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Wrote {beside}.")
