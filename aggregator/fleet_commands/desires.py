"""The commands `fleet desire` and `fleet artifacts`: what devices should be, and the files for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from aggregator.export import Format
from aggregator.fleet_commands.common import (
    DEVICE,
    GROUP,
    SITE,
    credential_option,
    etag_option,
    fleet,
    format_option,
    moment,
    pairs,
    server_option,
    show,
    show_one,
    transfer_progress,
    word,
    words,
)
from aidpost.client import FleetClient
from aidpost.v1 import inventory_pb2, state_pb2

CHUNK_BYTES = 64 * 1024
ARTIFACT_COLUMNS = ("kind", "version", "bytes", "title", "added_at", "added_by", "digest")
KINDS = words(state_pb2.ArtifactKind)
FIELDS = {kind: kind.replace("-", "_") for kind in KINDS}


class DesireRow(msgspec.Struct, frozen=True):
    """What is desired in one scope."""

    scope: str
    settings: dict[str, str]
    artifacts: dict[str, str]
    changed_at: str | None
    changed_by: str
    etag: str


class ArtifactRow(msgspec.Struct, frozen=True):
    """One file for devices; digest: SHA-256 in hex."""

    kind: str
    version: str
    bytes: int
    title: str
    added_at: str | None
    added_by: str
    digest: str


def _scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--fleet", "whole", is_flag=True, help="For all devices."),
        click.option("--site", type=SITE, help="For the devices of a site."),
        click.option("--group", type=GROUP, help="For the devices of a group."),
        click.option("--device", type=DEVICE, help="For one device."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def desire() -> None:
    """What devices should be: the fleet's, their site's, their groups', and their own, the later holds."""


@desire.command("show")
@_scope_options
@format_option
@server_option
@credential_option
def show_desire(
    whole: bool,
    site: str | None,
    group: str | None,
    device: str | None,
    form: Format,
    server: str,
    credential: Path,
) -> None:
    """Show what is desired in one scope."""
    scope = _scope(whole, site, group, device)
    with fleet(server, credential) as client:
        show_one(_row(client.get_desire(scope)), form)


@desire.command("set")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE...]")
@click.option(
    "--artifact", "digests", multiple=True, help="A file of `artifacts list`, by its digest's beginning."
)
@_scope_options
@click.option("--dry-run", is_flag=True, help="Say how many devices it would change, and change nothing.")
@etag_option
@server_option
@credential_option
def set_desire(
    settings: tuple[str, ...],
    digests: tuple[str, ...],
    whole: bool,
    site: str | None,
    group: str | None,
    device: str | None,
    dry_run: bool,
    etag: str,
    server: str,
    credential: Path,
) -> None:
    """Desire settings (session.tries=3; texts in quotes: site.name='"North"') and files in one scope.

    Devices take it up in their window, while nobody is served, as a whole or not at all.
    """
    scope = _scope(whole, site, group, device)
    values = pairs(settings, "setting")
    for name, value in values.items():
        _check_json(name, value)
    if not values and not digests:
        raise click.UsageError("say what to desire, as session.tries=3 or --artifact")
    wanted = inventory_pb2.Desire(
        scope=scope,
        etag=etag,
        settings=[state_pb2.Setting(name=name, value=value) for name, value in sorted(values.items())],
    )
    with fleet(server, credential) as client:
        wanted.artifacts.extend(find_artifact(client, digest) for digest in digests)
        kinds = [word(state_pb2.ArtifactKind, each.kind) for each in wanted.artifacts]
        paths = [f"settings.{name}" for name in values] + [f"artifacts.{FIELDS[kind]}" for kind in kinds]
        answer = client.update_desire(wanted, paths, validate_only=dry_run)
    _tell(answer, dry_run)


@desire.command("unset")
@click.argument("fields", nargs=-1, required=True, metavar="NAME...")
@_scope_options
@click.option("--dry-run", is_flag=True, help="Say how many devices it would change, and change nothing.")
@etag_option
@server_option
@credential_option
def unset_desire(
    fields: tuple[str, ...],
    whole: bool,
    site: str | None,
    group: str | None,
    device: str | None,
    dry_run: bool,
    etag: str,
    server: str,
    credential: Path,
) -> None:
    """Desire settings (session.tries) or kinds of files (policy) no longer in one scope."""
    scope = _scope(whole, site, group, device)
    paths = [f"artifacts.{FIELDS[name]}" if name in FIELDS else f"settings.{name}" for name in fields]
    with fleet(server, credential) as client:
        wanted = inventory_pb2.Desire(scope=scope, etag=etag)
        answer = client.update_desire(wanted, paths, validate_only=dry_run)
    _tell(answer, dry_run)


@click.group()
def artifacts() -> None:
    """Files for devices: software, models, operating points, policies."""


@artifacts.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(sorted(KINDS)), required=True)
@click.option("--version", "version_", required=True, help="Of what it holds.")
@click.option("--title", default="", help="For people.")
@format_option
@server_option
@credential_option
def add_artifact(
    file: Path, kind: str, version_: str, title: str, form: Format, server: str, credential: Path
) -> None:
    """Hand in FILE; the same file again is the same."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    size = file.stat().st_size
    artifact = state_pb2.Artifact(kind=KINDS[kind], version=version_, digest=digest, bytes=size)
    with transfer_progress() as progress, fleet(server, credential) as client:
        task = progress.add_task(file.name, total=size)

        def pieces() -> Iterator[bytes]:
            with file.open("rb") as content:
                while piece := content.read(CHUNK_BYTES):
                    yield piece
                    progress.advance(task, len(piece))

        held = client.add_artifact(inventory_pb2.StoredArtifact(artifact=artifact, title=title), pieces())
    show_one(_artifact_row(held), form)


@artifacts.command("list")
@format_option
@server_option
@credential_option
def list_artifacts(form: Format, server: str, credential: Path) -> None:
    """Show the files that are held for devices."""
    with fleet(server, credential) as client:
        rows = [_artifact_row(held) for held in client.list_artifacts()]
    show(
        rows, ArtifactRow, form, ARTIFACT_COLUMNS, "No file is held yet: `fleet artifacts add` hands one in."
    )


def _scope(whole: bool, site: str | None, group: str | None, device: str | None) -> inventory_pb2.Scope:
    if sum(each not in (None, False) for each in (whole, site, group, device)) != 1:
        raise click.UsageError("name one scope: --fleet, --site, --group or --device")
    if whole:
        return inventory_pb2.Scope(fleet=inventory_pb2.Fleet())
    if site is not None:
        return inventory_pb2.Scope(site=site)
    return (
        inventory_pb2.Scope(group=group) if group is not None else inventory_pb2.Scope(device_id=device or "")
    )


def _check_json(name: str, value: str) -> None:
    try:
        json.loads(value)
    except ValueError as error:
        raise click.UsageError(
            f"{name}: {value!r} is no JSON; a text needs quotes of its own: {name}='\"{value}\"'"
        ) from error


def find_artifact(client: FleetClient, beginning: str) -> state_pb2.Artifact:
    """Return the file whose digest begins so; raises ClickException."""
    held = [each.artifact for each in client.list_artifacts()]
    found = [each for each in held if each.digest.hex().startswith(beginning.lower())]
    if len(found) != 1:
        many = "several files have" if found else "no file has"
        raise click.ClickException(
            f"{many} a digest that begins with {beginning}: see `fleet artifacts list`"
        )
    return found[0]


def _tell(answer: inventory_pb2.UpdateDesireResponse, dry_run: bool) -> None:
    would = "would get" if dry_run else "have"
    click.echo(f"{answer.changed_devices} devices {would} another desired state.")
    for remark in answer.remarks:
        click.echo(remark)


def _row(found: inventory_pb2.Desire) -> DesireRow:
    match found.scope.WhichOneof("scope"):
        case "site":
            scope = f"site {found.scope.site}"
        case "group":
            scope = f"group {found.scope.group}"
        case "device_id":
            scope = f"device {found.scope.device_id}"
        case _:
            scope = "fleet"
    return DesireRow(
        scope=scope,
        settings={each.name: each.value for each in found.settings},
        artifacts={
            word(state_pb2.ArtifactKind, each.kind): f"{each.version} ({each.digest.hex()[:12]})"
            for each in found.artifacts
        },
        changed_at=moment(found, "changed_at"),
        changed_by=found.changed_by,
        etag=found.etag,
    )


def _artifact_row(held: inventory_pb2.StoredArtifact) -> ArtifactRow:
    artifact = held.artifact
    return ArtifactRow(
        kind=word(state_pb2.ArtifactKind, artifact.kind),
        version=artifact.version,
        bytes=artifact.bytes,
        title=held.title,
        added_at=moment(held, "added_at"),
        added_by=held.added_by,
        digest=artifact.digest.hex(),
    )
