"""`aidpost policy`: the site's data policy, checked and signed."""

from __future__ import annotations

from pathlib import Path

import click

from firmware import policy as data_policy
from firmware.commands.common import clear_errors, read_config
from firmware.policy import DataPolicy
from firmware.store.quarantine import KEEP_DAYS
from trust.issuer import IssuerKey, IssuerKeyUnusable

file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def policy() -> None:
    """The data policy: purposes, what they rest on, and how long anybody is kept."""


@policy.command()
@file_argument
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also check signature, site and purpose, as the appliance with this TOML file does.",
)
def check(file: Path, config_path: Path | None) -> None:
    """Check FILE, and say what it means."""
    with clear_errors():
        found = data_policy.read(file)
        if config_path is not None:
            config = read_config(config_path)
            found = data_policy.read_signed(file, config.issuer.trusted())
            data_policy.rule_for(found, config.device.site, config.device.purpose)
    _say(found)
    if config_path is None:
        click.echo("Its signature was not checked: name an appliance's file with --config.")
    else:
        click.echo("Signed by an issuer that the appliance trusts.")


@policy.command()
@file_argument
@click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The issuer's key, made by `aidpost cards keys new`.",
)
def sign(file: Path, key_path: Path) -> None:
    """Sign FILE; the signature is written beside it, and both go to the appliances."""
    try:
        issuer = IssuerKey.load(key_path)
    except IssuerKeyUnusable as error:
        raise click.ClickException(str(error)) from error
    with clear_errors():
        beside = data_policy.sign(file, issuer)
    click.echo(f"Wrote {beside}.")


@policy.command("schema")
def show_schema() -> None:
    """Print the file's JSON schema, for editors that check TOML."""
    click.echo(data_policy.schema().decode())


def _say(found: DataPolicy) -> None:
    """Say what the policy sets, and what no policy can change."""
    click.echo(f"Edition {found.edition}, for {found.site}; {found.controller} answers for the data.")
    for each in found.purposes:
        click.echo(f"  {each.name.value}: kept {each.retention_days} days, by {each.basis}: {each.why}")
        if each.imports and each.imports_from:
            click.echo(f"    brought in: {', '.join(each.imports)}, from {', '.join(each.imports_from)}")
        click.echo(f"    templates may be given to: {', '.join(each.exports_to) or 'nobody'}")
    click.echo(
        f"Not set here: a damaged store that was set aside is erased after {KEEP_DAYS} days; its templates "
        "open no more once the rest was saved."
    )
