"""`aidpost-aggregator list sign`: the signed form of a list, for appliances that trust the issuer's key."""

from __future__ import annotations

from pathlib import Path

import click

from trust.issuer import IssuerKey, IssuerKeyUnusable
from trust.lists import envelope
from trust.lists.faults import Fault, Form, ListRefused
from trust.lists.parsing import parse
from trust.lists.secret import has_secret, with_secret
from trust.lists.summary import summary
from trust.lists.table import MAX_FILE_BYTES, read_csv


@click.group("list")
def list_() -> None:
    """Prepare the lists that appliances load."""


@list_.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The issuer's key; `aidpost cards keys new` makes one.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The signed file; by default FILE with the ending {envelope.SUFFIX}.",
)
def sign(file: Path, key_path: Path, out: Path | None) -> None:
    """Check FILE (CSV) by the appliances' own rules and write its signed form.

    The signed file is not encrypted: it holds the numbers of FILE, and the secret with which the appliances
    hide them in what they report. Nothing of it is kept here.
    """
    try:
        issuer = IssuerKey.load(key_path)
        with file.open("rb") as source:
            content = source.read(MAX_FILE_BYTES + 1)
        if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise ListRefused([Fault('a spreadsheet: save it as "CSV UTF-8" first')])
        planned = parse(read_csv(content))
        secret_added = not has_secret(read_csv(content))
        if secret_added:
            content = with_secret(content)
            planned = parse(read_csv(content))
        out = out or file.with_suffix(envelope.SUFFIX)
        with out.open("xb") as target:
            target.write(envelope.sign(content, issuer))
    except ListRefused as refused:
        for fault in refused.faults:
            click.echo(fault.line(file.name, Form.CSV), err=True)
        raise click.ClickException(f"nothing was signed; {len(refused.faults)} to correct") from refused
    except IssuerKeyUnusable as error:
        raise click.ClickException(str(error)) from error
    except FileExistsError as error:
        raise click.ClickException(f"{out} is there already: name a new file with --out") from error
    except OSError as error:
        raise click.ClickException(f"cannot use {error.filename} ({error.strerror})") from error
    for line in summary(planned):
        click.echo(line)
    if secret_added:
        click.echo(
            f'The row "secret" was added in {out}: copy it into {file} for a later version of this list.'
        )
    click.echo(f"Signed: {out}, with the key {issuer.public.hex()}")
