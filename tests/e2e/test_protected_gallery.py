"""A gallery that an earlier version filled: the same people are found, and nothing plain is left."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from firmware.demo.cast import Cast, people
from firmware.demo.scenario import Person
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.protection import TemplateProtection
from firmware.records import Outcome
from firmware.store.connection import connect
from firmware.store.entry_keys import EntryKeys
from firmware.store.store import keys_of
from inference import plain_codec, template_codec
from inference.types import ProtectedFace, ProtectedFinger
from tests.kit.line import Line, line
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

PURPOSE = Purpose.CLINIC_CHECK_IN


def test_people_of_a_former_version_are_found_as_before(tmp_path: Path) -> None:
    person = Person("card-1", people()[0][0].seed, people()[0][0].photo)
    cast = Cast([person], lambda _done, _total: None)

    async def before() -> None:
        async with line(tmp_path, cast) as desk:
            await desk.register(person)
            assert (await desk.verify(person)).record.outcome is Outcome.MATCH

    async def after() -> None:
        async with line(tmp_path, cast) as desk:
            assert await _kinds(desk) == {ProtectedFace, ProtectedFinger}
            assert (await desk.verify(person)).record.outcome is Outcome.MATCH
            assert (await desk.identify(person)).subject == person.subject

    asyncio.run(before())
    assert make_plain(tmp_path / "state") > 1
    asyncio.run(after())


async def _kinds(desk: Line) -> set[type]:
    entries = await desk.appliance.store.run(lambda store: store.gallery.references(PURPOSE))
    return {type(template) for entry in entries for template in entry.templates}


def make_plain(state: Path) -> int:
    """Put the templates back as the version before stored them; returns how many."""
    guard = open_guard(GuardSettings(GuardKind.FILE), state, store_exists=True)
    with guard, guard.store_key() as key, closing(connect(state / "aidpost.db", key)) as database:
        (own,) = database.execute("SELECT protection_key FROM appliance").fetchone()
        with SecretKey.taken_from(bytearray(own)) as secret:
            protection = TemplateProtection(secret)
        rows = database.execute(
            """SELECT entry, position, entry_id, sealed_key, template
               FROM protected_templates JOIN gallery ON entry = gallery.number"""
        ).fetchall()
        keys = EntryKeys.open(keys_of(state / "aidpost.db"), key)
        for entry, position, entry_id, wrapped, sealed in rows:
            data = keys.opened(entry_id, wrapped).opened(sealed)
            plain = plain_codec.encode(protection.plain(template_codec.decode(data), entry_id))
            database.execute("INSERT INTO templates VALUES (?, ?, ?)", (entry, position, plain))
        keys.close()
        database.execute("DELETE FROM protected_templates")
        database.execute("UPDATE gallery SET sealed_key = x''")
        database.execute("UPDATE appliance SET protection_key = x''")
    return len(rows)
