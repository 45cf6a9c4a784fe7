"""`aidpost register`, `verify`, `identify` and `erase`: one person at a time, from the console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import click

from firmware.appliance import Appliance
from firmware.commands.common import (
    NOT_SETTLED,
    config_option,
    echo_signals,
    read_config,
    with_appliance,
)
from firmware.desk import ClaimWaits
from firmware.records import Outcome
from firmware.session.check_in import CheckInResult, Suggestion
from firmware.session.registration import NoticeAnswer, RegistrationResult
from inference.operating_point import STRENGTH_MEANING
from trust.consent import Consent
from trust.gallery.change import ENTRY_ID_BYTES


class SubjectType(click.ParamType[str]):
    """A card or case number: letters, digits and . _ - / without spaces, so that a name is noticed."""

    name = "subject"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the number as it was typed, or fail with what it may hold."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", value):
            self.fail(
                f"{value!r} is no card or case number: it may hold letters, digits and . _ - / "
                "(63 at most, no spaces, never a name)",
                param,
                ctx,
            )
        return value


subject_argument = click.argument("subject", type=SubjectType())


@click.command()
@config_option
@subject_argument
@click.option(
    "--consent",
    type=click.Choice([answer.value for answer in Consent]),
    required=True,
    help="What the person answered to the notice.",
)
@click.option("--notice", default="1", show_default=True, help="Version of the notice that was shown.")
@click.option("--language", default="en", show_default=True, help="Its language (BCP 47).")
def register(config_path: Path, subject: str, consent: str, notice: str, language: str) -> None:
    """Register SUBJECT (a card or case number, never a name) with what the person can give."""
    answer = NoticeAnswer(Consent(consent), notice, language)

    async def work(appliance: Appliance) -> RegistrationResult:
        appliance.presenter.add_listener(echo_signals)
        return await appliance.desk.register(subject, answer)

    result = with_appliance(read_config(config_path), work)
    record = result.record
    if record is None:
        click.echo("Nothing was stored: a person takes over.")
        raise SystemExit(NOT_SETTLED)
    if record.entry_id is None:
        click.echo(f"Registered without biometrics (record {result.seq}).")
    else:
        click.echo(
            f"Registered with {record.face_templates} face and {record.finger_templates} finger samples "
            f"(record {result.seq})."
        )
    for presentation in result.missing if answer.consent is Consent.ACCEPTED else ():
        place = presentation.position.name.replace("_", " ").lower()
        click.echo(f"Not taken: {presentation.modality.value if place == 'unknown' else place}")
    if result.possible_same:
        click.echo("Looks like somebody registered before: " + ", ".join(result.possible_same))
        click.echo("Serve the person; a colleague compares the two entries later.")


@click.command()
@config_option
@subject_argument
def verify(config_path: Path, subject: str) -> None:
    """Check 1:1 that the person is the one registered as SUBJECT.

    Exit status 0: a match; 3: a person takes over.
    """

    async def work(appliance: Appliance) -> CheckInResult | ClaimWaits:
        appliance.presenter.add_listener(echo_signals)
        try:
            return await appliance.desk.verify(subject)
        except ClaimWaits as waits:
            return waits

    result = with_appliance(read_config(config_path), work)
    if isinstance(result, ClaimWaits):
        click.echo(f"A person takes over: {result}.")
        raise SystemExit(NOT_SETTLED)
    _conclude(result)


@click.command()
@config_option
@click.option("--operator", default="", help="Who confirms; it is kept in the audit log.")
def identify(config_path: Path, operator: str) -> None:
    """Look for the person among those registered here; staff confirm by sight.

    Exit status 0: confirmed; 3: a person takes over.
    """

    async def work(appliance: Appliance) -> CheckInResult:
        appliance.presenter.add_listener(echo_signals)
        return await appliance.desk.identify(ask_staff, operator=operator)

    _conclude(with_appliance(read_config(config_path), work))


@click.command()
@config_option
@click.argument("subject", type=SubjectType(), required=False)
@click.option("--entry", metavar="ID", help="One entry by its id, as `aidpost gallery show` names it.")
def erase(config_path: Path, subject: str | None, entry: str | None) -> None:
    """Erase every entry of SUBJECT from the gallery.

    With --entry: one entry of the shared gallery, one that cannot be opened here too.
    """
    if (subject is None) is (entry is None):
        raise click.UsageError("name a subject, or an entry with --entry")
    entry_id = None if entry is None else _entry_id(entry)

    async def work(appliance: Appliance) -> int:
        if entry_id is not None:
            return int(await appliance.desk.erase_entry(entry_id))
        return await appliance.desk.erase(subject or "")

    count = with_appliance(read_config(config_path), work)
    if count == 0 and entry_id is not None:
        raise click.ClickException("there is no entry with this id, or it is erased already")
    if count == 0:
        raise click.ClickException("nothing is kept under this subject: nobody is registered with biometrics")
    click.echo(f"Erased {count} {'entry' if count == 1 else 'entries'}.")


def _entry_id(text: str) -> bytes:
    try:
        entry_id = bytes.fromhex(text)
    except ValueError:
        entry_id = b""
    if len(entry_id) != ENTRY_ID_BYTES:
        raise click.UsageError(f"an entry's id has {2 * ENTRY_ID_BYTES} digits from 0 to f")
    return entry_id


async def ask_staff(suggestions: Sequence[Suggestion]) -> int | None:
    """Show the suggestions on the console and ask which of them stands there, if any."""
    for number, suggestion in enumerate(suggestions, 1):
        meaning = STRENGTH_MEANING[suggestion.strength]
        click.echo(f"  {number}. {suggestion.subject} ({suggestion.strength.value}: {meaning})")
    try:
        choice = await asyncio.to_thread(
            click.prompt,
            "Look at the person. Which one is it? (0: none)",
            type=click.IntRange(0, len(suggestions)),
            default=0,
        )
    except click.Abort:  # the end of the input, or Ctrl-C: nobody confirmed
        click.echo()
        return None
    return int(choice) - 1 if choice else None


def _conclude(result: CheckInResult) -> None:
    record = result.record
    for stage in result.stages:
        click.echo(f"  {stage.stage:<9}{stage.duration_ns / 1e6:8.1f} ms")
    if result.subject is not None and result.strength is not None:
        click.echo(f"Done: {result.subject}, {result.strength.value} (record {result.seq}).")
        return
    reasons = {Outcome.RETRY: "no usable sample", Outcome.NO_MATCH: "not sure enough"}
    click.echo(
        f"A person takes over: {record.reason or reasons.get(record.outcome, '')} (record {result.seq})."
    )
    raise SystemExit(NOT_SETTLED)
