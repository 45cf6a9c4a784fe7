"""What the commands of a fleet share: options, completion of names, words for enumerations, and output."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from aggregator.administer import SpanType, credential_option, fleet, server_option
from aggregator.export import FILE_WIDTH_CHARACTERS, FORMATS, Format, write_rows
from aidpost.client import Credential, CredentialUnusable, FleetClient, FleetError, Patience, connect

__all__ = ["credential_option", "fleet", "server_option"]

RowT = TypeVar("RowT", bound=msgspec.Struct)
COMPLETION_PATIENCE = Patience(call_s=2.0, tries=1)  # nobody waits longer for a key that is pressed
MAX_COMPLETIONS = 200
_AGE = SpanType()

format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True
)
etag_option = click.option("--etag", default="", help="Change it only if it is still as it was read.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask before it is done.")


class NameType(click.ParamType[str]):
    """A name of something that the aggregator holds; the shell completes it by asking there."""

    def __init__(self, name: str, names: Callable[[FleetClient], Iterable[str]]) -> None:
        self.name = name
        self._names = names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is: the aggregator knows best whether it is there."""
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so; none where the aggregator cannot be asked."""
        asked = ctx.params
        server = asked.get("server") or _default(ctx, "server")
        credential = asked.get("credential") or _default(ctx, "credential")
        if not server or not credential:
            return []
        try:
            with connect(server, Credential.read(Path(credential)), COMPLETION_PATIENCE) as client:
                found = (name for name in self._names(client) if name.startswith(incomplete))
                return [CompletionItem(name) for name, _ in zip(found, range(MAX_COMPLETIONS), strict=False)]
        except (FleetError, CredentialUnusable):
            return []


DEVICE = NameType("device", lambda client: (device.device_id for device in client.list_devices()))
SITE = NameType("site", lambda client: (site.name for site in client.list_sites()))
GROUP = NameType("group", lambda client: (group.name for group in client.list_groups()))
ROLLOUT = NameType("rollout", lambda client: (rollout.name for rollout in client.list_rollouts()))
HOOK = NameType("hook", lambda client: (hook.name for hook in client.list_hooks()))


class MomentType(click.ParamType[datetime]):
    """A time in ISO 8601 (UTC unless it says otherwise), or an age as 24h."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time that was written."""
        if isinstance(value, datetime):
            return value
        if re.fullmatch(r"\d+(min|h|d)", value):
            return datetime.now(UTC) - _AGE.convert(value, param, ctx)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a time as 2026-01-31T08:00 nor an age as 24h", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class ClockType(click.ParamType[timedelta]):
    """A time of day as 18:00, as a span since midnight."""

    name = "hh:mm"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span that was written."""
        if isinstance(value, timedelta):
            return value
        if (read := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value)) is None:
            self.fail(f"{value!r} is no time of day: write it as 18:00", param, ctx)
        return timedelta(hours=int(read[1]), minutes=int(read[2]))


def show(
    rows: Iterable[RowT], row_type: type[RowT], form: Format, columns: Sequence[str], nothing: str
) -> None:
    """Write rows; columns: of the table. nothing: the sentence for a table without rows."""
    found = list(rows)
    if form == "table" and not found:
        click.echo(nothing)
        return
    write_rows(found, row_type, form, sys.stdout, columns)


def show_one(row: RowT, form: Format) -> None:
    """Write one thing: as two columns, as an object, or as a line of CSV."""
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(row)).decode())
    elif form == "csv":
        write_rows([row], type(row), form, sys.stdout, ())
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in msgspec.structs.asdict(row).items():
            if value not in (None, "", (), {}):
                table.add_row(name.replace("_", " "), _lines(value))
        width = None if sys.stdout.isatty() else FILE_WIDTH_CHARACTERS
        Console(width=width, markup=False, highlight=False).print(table)


def word(enum: Any, value: int) -> str:
    """Return the value of an enumeration as a person writes it: "on-hold"; enum: as in `aidpost.v1`."""
    prefix = re.sub(r"(?<!^)([A-Z])", r"_\1", enum.DESCRIPTOR.name).upper() + "_"
    try:
        name: str = enum.Name(value)
        return name.removeprefix(prefix).lower().replace("_", "-")
    except ValueError:
        return f"unknown ({value})"


def words(enum: Any) -> dict[str, Any]:
    """Return the values of an enumeration by their words, without the unspecified one."""
    return {word(enum, value): value for value in enum.values() if value}


def moment(message: Any, field: str) -> str | None:
    """Return a time of a message as 2026-01-31T08:00:00Z, None where it is absent."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return datetime.fromtimestamp(stamp.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    """Return NAME=VALUE arguments; raises UsageError."""
    read = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is no {what}: write it as NAME=VALUE")
        read[name] = value
    return read


def transfer_progress() -> Progress:
    """Return bars of bytes, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=Console(stderr=True))


def count_progress() -> Progress:
    """Return bars of things, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _default(ctx: click.Context, name: str) -> Any:
    """Return what an option would be without the command line, from the environment or its default."""
    for parameter in ctx.command.params:
        if parameter.name == name:
            return parameter.value_from_envvar(ctx) or parameter.get_default(ctx)
    return None


def _lines(value: object) -> str:
    match value:
        case dict():
            return "\n".join(f"{key} = {item}" for key, item in value.items())
        case tuple():
            return "\n".join(str(item) for item in value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
