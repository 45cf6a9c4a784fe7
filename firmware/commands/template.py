"""`aidpost template`: one person's templates from a registry's file, or to one."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from firmware import registry
from firmware.clock import Clock, random_id
from firmware.commands.common import IdentifierType, clear_errors, config_option, read_config
from firmware.commands.output_files import write_new
from firmware.commands.people import subject_argument
from firmware.commands.staff import opened_store, supervisor
from firmware.config import Config
from firmware.desk import AlreadyRegistered, NotRegistered, RegistrationStopped
from firmware.gallery.resembling import resembling_in
from firmware.policy import DataPolicy, PolicyRefused, PurposeRule, rule_for
from firmware.protection import TemplateProtection
from firmware.recognition import build_recognition
from firmware.records import Registration
from firmware.retention import read_policy
from firmware.store.reference import Reference
from firmware.store.store import Store
from inference.standards import cbeff
from inference.types import FingerTemplate, Template
from trust.consent import Consent


@click.group()
def template() -> None:
    """One person's templates as records of standards: ISO/IEC 19794-2 and -5, and CBEFF in XML.

    Both ways ask for a signed data policy that names the other party. Stop the appliance first.
    """


@template.command("import")
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@subject_argument
@click.option(
    "--from",
    "party",
    type=IdentifierType("party"),
    required=True,
    help="The registry, as the policy names it.",
)
@click.option(
    "--consent",
    type=click.Choice([answer.value for answer in Consent]),
    required=True,
    help="What the person answered to the notice.",
)
@click.option("--legal-basis", required=True, help="What it rests on, such as the number of an agreement.")
@click.option("--notice", default="1", show_default=True, help="Version of the notice that was shown.")
@click.option("--language", default="en", show_default=True, help="Its language (BCP 47).")
@click.option("--five-or-older", is_flag=True, help="The person is: of younger ones no templates are kept.")
def import_(
    config_path: Path,
    file: Path,
    subject: str,
    party: str,
    consent: str,
    legal_basis: str,
    notice: str,
    language: str,
    five_or_older: bool,
) -> None:
    """Register SUBJECT with the templates of FILE.

    Finger minutiae are kept as they are; of a face image the template alone is. Not a pixel is stored.
    """
    if Consent(consent) is not Consent.ACCEPTED:
        raise click.ClickException("no templates without consent: register the person without them")
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,100}", legal_basis):
        raise click.UsageError("--legal-basis is a line of at most 100 characters")
    config = read_config(config_path)
    with clear_errors():
        policy, rule = _rule(config)
        data = _bytes(file)
        received = registry.read(data)
        kinds = {"finger minutiae": received.fingers, "face images": received.faces}
        for kind, held in kinds.items():
            if held and (party not in rule.imports_from or kind not in rule.imports):
                raise PolicyRefused(f"the data policy does not let {kind} of {party} be brought in")
    if not five_or_older:
        raise click.ClickException(
            "no templates are kept of children under five: say --five-or-older where the person is"
        )
    with opened_store(config_path) as store:
        store.ages.note_policy(policy.edition)  # an older one, put back, may allow what this one does not
        signed = supervisor(store) if store.staff.has_supervisor() else ""
        facts = {
            "from": party,
            "form": received.form,
            "file": hashlib.sha256(data).hexdigest(),
            "legal basis": legal_basis,
            "supervisor": signed,
        }
        seq, same = _register(config, store, subject, received, f"{notice} {language}", facts)
    for each in received.passed_over:
        click.echo(f"Passed over: {each}")
    faces, fingers = len(received.faces), len(received.fingers)
    click.echo(f"Registered with {faces} face and {fingers} finger samples (record {seq}).")
    if same:
        click.echo(f"Looks like somebody registered before: {', '.join(same)}. See `aidpost resemblances`.")


@template.command("export")
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@subject_argument
@click.option(
    "--to", "party", type=IdentifierType("party"), required=True, help="Who gets it, as the policy names it."
)
@click.option(
    "--form", type=click.Choice(["iso", "cbeff"]), default="iso", show_default=True, help="Form of FILE."
)
def export(config_path: Path, file: Path, subject: str, party: str, form: Literal["iso", "cbeff"]) -> None:
    """Write the finger minutiae of SUBJECT to FILE, for a party that the data policy names.

    Of faces there is nothing to give: no image is kept.
    """
    config = read_config(config_path)
    with clear_errors():
        policy, rule = _rule(config)
        if party not in rule.exports_to:
            raise PolicyRefused(f"the data policy does not let templates be given to {party}")
    with opened_store(config_path) as store:
        store.ages.note_policy(policy.edition)
        signed = supervisor(store) if store.staff.has_supervisor() else ""
        entries = store.gallery.find_subject(store.purpose, subject)
        if not entries:
            raise NotRegistered("nobody is registered with biometrics under this subject")
        fingers = _fingers(store, entries)
        try:
            if not fingers:
                raise NotRegistered(
                    "no finger is kept under this subject, and of faces no image: nothing to give"
                )
            data = registry.written(fingers, form, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        finally:
            for each in fingers:
                each.wipe()
        facts = {"to": party, "file": hashlib.sha256(data).hexdigest(), "supervisor": signed}
        # Written down before it can be taken away: nothing is given that the log does not know of.
        store.gallery.note_export(Clock().now(), [each.entry_id for each in entries], facts)
        write_new(file, data, private=True)
    click.echo(f"Wrote {len(fingers)} finger views to {file}; whoever has it can read them.")


def _rule(config: Config) -> tuple[DataPolicy, PurposeRule]:
    found = read_policy(config)
    if found is None:
        raise PolicyRefused(
            "no data policy is configured (`[retention] policy`): without one nothing is brought in or given"
        )
    return found[0], rule_for(found[0], config.device.site, config.device.purpose)


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(cbeff.MAX_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error


def _register(
    config: Config,
    store: Store,
    subject: str,
    received: registry.Received,
    notice: str,
    facts: dict[str, str],
) -> tuple[int, list[str]]:
    """Make the templates and store them; returns the registration's number, and who may be the same."""
    clock = Clock()
    if store.gallery.find_subject(store.purpose, subject):
        raise AlreadyRegistered("somebody is registered under this subject: check the number")
    if (stopped := store.space.registration_stopped(clock.now())) is not None:
        raise RegistrationStopped(f"{stopped}. Bring the file in later")
    with store.gallery.protection_key() as key:
        protection = TemplateProtection(key)
    plain: tuple[Template, ...] = ()
    try:
        recognition = build_recognition(config, protection)
        reader = config.fingerprint.model if config.fingerprint is not None else ""
        plain = registry.templates(received, recognition, reader)
        entry_id = random_id()
        protected = tuple(protection.protect(each, entry_id) for each in plain)
        reference = Reference(entry_id, subject, protected, store.purpose, store.site)
        recognition.matcher.take_up_all(store.gallery.references(store.purpose))
        resembling = resembling_in(recognition.matcher, reference)
    finally:
        for each in plain:
            each.wipe()
        protection.wipe()
    version, _, language = notice.partition(" ")
    record = Registration(
        record_id=random_id(),
        entry_id=entry_id,
        consent=Consent.ACCEPTED,
        notice_version=version,
        notice_language=language,
        face_templates=len(received.faces),
        finger_templates=len(received.fingers),
    )
    found = [store.gallery.reference(store.purpose, each.entry_id) for each in resembling]
    same = sorted({each.subject for each in found if each is not None})
    store.note_answer(clock.now(), record.record_id, record.consent, notice)
    seq = store.commit_registration(clock.now(), record, reference, facts)
    if same:
        store.work.note_resemblance(clock.now(), subject, same)
    return seq, same


def _fingers(store: Store, entries: list[Reference]) -> list[FingerTemplate]:
    with store.gallery.protection_key() as key:
        protection = TemplateProtection(key)
    try:
        plain = [protection.plain(each, entry.entry_id) for entry in entries for each in entry.templates]
    finally:
        protection.wipe()
    return [each for each in plain if isinstance(each, FingerTemplate)]
