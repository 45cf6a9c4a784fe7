"""`aidpost-aggregator image personalise`: claim files and a sheet of codes for a batch of new appliances."""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from aidpost.client import Credential, CredentialUnusable, FleetError, connect
from firmware.cards.claim_sheet import claim_sheet
from firmware.personalise.batch import (
    BatchRefused,
    checked,
    needs_modem_manager,
    needs_tablets,
    numbered,
    read_list,
    with_code,
)
from trust.claim_file import NAME, ClaimFile, ClaimFileRefused
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.toml_text import Tables, merged

SHEET = "claims.pdf"


@click.group("image")
def group() -> None:
    """New appliances from the image."""


@group.command()
@click.option("--target", help="Where the appliances find this aggregator, as host:port.")
@click.option("--site", help="Their site.")
@click.option("--purpose", type=click.Choice([each.value for each in Purpose]), help="What they serve.")
@click.option("--count", type=click.IntRange(1, 1000), help="So many, named PREFIX01, PREFIX02 ...")
@click.option("--prefix", default="kit-", show_default=True, help="Before the number of each.")
@click.option(
    "--first", type=click.IntRange(0, 100_000), default=1, show_default=True, help="The first number."
)
@click.option(
    "--list",
    "list_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Instead of --count: a CSV file with a line for each, its columns named device, site, purpose, "
    "supervisor, pin, wireguard_private_key, wireguard_address.",
)
@click.option(
    "--common",
    "common_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A TOML file with what all have in common, in the tables of a claim file, as [network.wifi].",
)
@click.option(
    "--language", "languages", multiple=True, help="Of their screens, the site's own first; repeat it."
)
@click.option(
    "--guard",
    type=click.Choice([each.value for each in GuardKind]),
    help="What guards their keys. The image has otp and file.",
)
@click.option(
    "--without-image",
    is_flag=True,
    help="For computers that are set up by hand: any guard can be used there.",
)
@click.option("--supervisor", help="The first who signs in; a random PIN is made for each appliance.")
@click.option(
    "--days", type=click.IntRange(1, 90), default=7, show_default=True, help="So long they are good."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A new folder, or a new file that ends with .zip: a folder for each appliance, and claims.pdf.",
)
@click.option(
    "--server",
    default="127.0.0.1:50051",
    envvar="AIDPOST_SERVER",
    show_default=True,
    help="Where the aggregator listens, or set AIDPOST_SERVER.",
)
@click.option(
    "--credential",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="AIDPOST_CREDENTIAL",
    required=True,
    help="Your credential's file, or set AIDPOST_CREDENTIAL.",
)
def personalise(
    target: str | None,
    site: str | None,
    purpose: str | None,
    count: int | None,
    prefix: str,
    first: int,
    list_path: Path | None,
    common_path: Path | None,
    languages: tuple[str, ...],
    guard: str | None,
    without_image: bool,
    supervisor: str | None,
    days: int,
    out: Path,
    server: str,
    credential: Path,
) -> None:
    """Make a claim file for each of a batch of new appliances, and a sheet with a code for each.

    Copy aidpost-claim.toml of an appliance's folder onto the first partition of its card, or show its code
    to the camera at the first start. Each is good for one appliance and is a secret until then: it holds the
    claim code, and the network's passphrase. Every appliance waits for `devices approve` all the same.
    """
    if (count is None) is (list_path is None):
        raise click.UsageError("say how many with --count, or which ones with --list")
    if out.exists():
        raise click.UsageError(f"{out} is there already: name a new folder or .zip with --out")
    if not out.absolute().parent.is_dir():  # before codes are made that nobody would ever hold
        raise click.UsageError(f"{out} would lie in a folder that is not there: make that first")
    given: Tables = {
        "device": {"site": site, "purpose": purpose, "languages": list(languages) or None},
        "aggregator": {"target": target},
        "keys": {"guard": guard},
        "supervisor": {"name": supervisor},
    }
    with _clear_errors():
        common = merged(_common(common_path), _said(given))
        _needs(common, "aggregator", "where the appliances find this aggregator: --target HOST:PORT")
        _needs(common, "keys", "what guards their keys: --guard otp on a Raspberry Pi (docs/keys.md)")
        each = numbered(prefix, first, count) if count is not None else read_list(_text(list_path))
        batch = checked(common, each, for_image=not without_image)
        with connect(server, Credential.read(credential)) as client:
            claims = []
            life = timedelta(days=days)
            for tables in track(batch, "Claim codes", console=Console(stderr=True), transient=True):
                answer = client.create_claim(tables["device"]["site"], life)
                ends = datetime.fromtimestamp(answer.expires_at.seconds, UTC)
                claims.append(with_code(tables, answer.code, ends - life, life))
        _write(claims, out)
    click.echo(
        f"{len(claims)} claim files: {out}, good until {claims[0].aggregator.expires:%Y-%m-%d %H:%M} UTC."
    )
    click.echo("They are secrets until they were used: hand them over well, and destroy the sheet.", err=True)
    unseen = "" if without_image else needs_tablets(claims)
    for warning in filter(None, (needs_modem_manager(claims), unseen)):
        click.echo(warning, err=True)


def _said(given: Tables) -> Tables:
    """Return the options that were given."""
    tables = {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in given.items()
    }
    return {name: table for name, table in tables.items() if table}


def _needs(common: Tables, table: str, option: str) -> None:
    if table not in common:
        raise click.UsageError(f"say {option}, or in the file of --common")


def _common(path: Path | None) -> Tables:
    if path is None:
        return {}
    try:
        return tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise BatchRefused(f"{path} is not valid TOML: {error}") from error


def _text(path: Path | None) -> str:
    if path is None:
        raise AssertionError("one of --count and --list was given")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BatchRefused(f"{path} is not UTF-8 text: save it as UTF-8") from error


def _write(claims: list[ClaimFile], out: Path) -> None:
    """Write all, or nothing under that name."""
    partial = out.with_name(f"{out.name}.partial")
    files = {f"{claim.device.id}/{NAME}": claim.to_text().encode() for claim in claims}
    files[SHEET] = claim_sheet(claims)
    if out.suffix == ".zip":
        partial.touch(0o600)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    else:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(0o700)
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(0o700, exist_ok=True)
            path.touch(0o600)
            path.write_bytes(content)
    partial.rename(out)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (BatchRefused, ClaimFileRefused, CredentialUnusable, FleetError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"the claim files cannot be written: {error.strerror}: {error.filename}"
        ) from error
