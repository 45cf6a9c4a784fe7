"""The entries of the gallery: references in and out; runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from sqlite_utils import Database

from firmware.records import Attempts
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import StoreDamaged, StoreError
from firmware.store.reference import Reference
from inference import template_codec
from inference.errors import TemplateDamaged
from trust.consent import Purpose
from trust.gallery.errors import EntryRefused

_SELECT = """
    SELECT gallery.number, entry_id, subject, sealed_key, template
    FROM gallery JOIN protected_templates ON protected_templates.entry = gallery.number
"""
_ORDER = " ORDER BY entry, position"  # as the index lies: by gallery.number it was sorted, at twice the time


def insert(database: Database, keys: EntryKeys, reference: Reference) -> None:
    """Add an entry. Raises StoreError when its id is taken or it has no template."""
    encoded = [template_codec.encode(template) for template in reference.templates]
    insert_encoded(database, keys, reference.entry_id, reference.subject, encoded)


def insert_encoded(
    database: Database, keys: EntryKeys, entry_id: bytes, subject: str, templates: Sequence[bytes]
) -> None:
    """Add an entry whose templates are bytes already. Raises as `insert` does."""
    if not templates:
        raise StoreError("a gallery entry needs at least one template; register the person without an entry")
    if database.execute("SELECT 1 FROM gallery WHERE entry_id = ?", (entry_id,)).fetchone():
        raise StoreError("the gallery has an entry of this id already; give each entry a new random id")
    wrapped, seal = keys.new(entry_id)
    number = database.execute(
        "INSERT INTO gallery (entry_id, subject, sealed_key) VALUES (?, ?, ?)", (entry_id, subject, wrapped)
    ).lastrowid
    for position, template in enumerate(templates):
        database.execute(
            "INSERT INTO protected_templates (entry, position, template) VALUES (?, ?, ?)",
            (number, position, seal.seal(template)),
        )


def insert_all(database: Database, keys: EntryKeys, references: Sequence[Reference]) -> None:
    """Add entries whose ids are not taken, many at a time."""
    made = [keys.new(each.entry_id) for each in references]
    (first,) = database.execute("SELECT coalesce(max(number), 0) + 1 FROM gallery").fetchone()
    database.conn.executemany(
        "INSERT INTO gallery (number, entry_id, subject, sealed_key) VALUES (?, ?, ?, ?)",
        [
            (number, each.entry_id, each.subject, wrapped)
            for number, (each, (wrapped, _)) in enumerate(zip(references, made, strict=True), first)
        ],
    )
    database.conn.executemany(
        "INSERT INTO protected_templates (entry, position, template) VALUES (?, ?, ?)",
        [
            (number, position, seal.seal(template_codec.encode(template)))
            for number, (each, (_, seal)) in enumerate(zip(references, made, strict=True), first)
            for position, template in enumerate(each.templates)
        ],
    )


def seal_unsealed(database: Database, keys: EntryKeys) -> int:
    """Seal the templates that a version before entries had keys stored; returns of how many entries."""
    rows = database.execute("SELECT number, entry_id FROM gallery WHERE sealed_key = x''").fetchall()
    for number, entry_id in rows:
        wrapped, seal = keys.new(entry_id)
        database.execute("UPDATE gallery SET sealed_key = ? WHERE number = ?", (wrapped, number))
        templates = database.execute(
            "SELECT number, template FROM protected_templates WHERE entry = ?", (number,)
        ).fetchall()
        database.conn.executemany(
            "UPDATE protected_templates SET template = ? WHERE number = ?",
            [(seal.seal(template), place) for place, template in templates],
        )
    return len(rows)


def all_ids(database: Database) -> set[bytes]:
    """Return the ids of all entries."""
    return {entry_id for (entry_id,) in database.execute("SELECT entry_id FROM gallery")}


def delete(database: Database, entry_id: bytes) -> str | None:
    """Delete an entry with its templates; returns its subject, None where it was not there."""
    row = database.execute("DELETE FROM gallery WHERE entry_id = ? RETURNING subject", (entry_id,)).fetchone()
    return row[0] if row else None


def select_after(
    database: Database,
    keys: EntryKeys,
    number: int,
    limit: int,
    purpose: Purpose,
    site: str,
    on_damage: Callable[[StoreDamaged], None],
) -> tuple[list[Reference], int]:
    """Return the next entries in the order of their making, and the number of the last of them.

    on_damage: told of each that does not open; it is left out. The number is that given where none was left.
    """
    (last,) = database.execute(
        "SELECT max(number) FROM (SELECT number FROM gallery WHERE number > ? ORDER BY number LIMIT ?)",
        (number, limit),
    ).fetchone()
    if last is None:
        return [], number
    rows = database.execute(
        _SELECT + "WHERE gallery.number > ? AND gallery.number <= ?" + _ORDER, (number, last)
    )
    return _references(rows, keys, purpose, site, on_damage), last


def select_entry(
    database: Database, keys: EntryKeys, entry_id: bytes, purpose: Purpose, site: str
) -> Reference | None:
    """Return one entry, or None."""
    rows = database.execute(_SELECT + "WHERE entry_id = ?" + _ORDER, (entry_id,))
    return next(iter(_references(rows, keys, purpose, site)), None)


def select_subject(
    database: Database, keys: EntryKeys, subject: str, purpose: Purpose, site: str
) -> list[Reference]:
    """Return the entries of one card or case number: a household's card has several collectors.

    Capital and small letters are the same. Where two that differ in nothing else were registered before that
    was refused, the one as it is written here.
    """
    rows = database.execute(_SELECT + "WHERE subject = ?" + _ORDER, (_spelled(database, subject),))
    return _references(rows, keys, purpose, site)


def _spelled(database: Database, subject: str) -> str:
    """Return the subject as it was registered."""
    row = database.execute(
        "SELECT subject FROM gallery WHERE subject = ?1 COLLATE NOCASE ORDER BY subject = ?1 DESC LIMIT 1",
        (subject,),
    ).fetchone()
    return row[0] if row else subject


def ids_of(database: Database, subjects: Iterable[str]) -> list[bytes]:
    """Return the ids of the entries of these subjects; no template is read for it."""
    wanted = msgspec.json.encode(list(subjects)).decode()
    rows = database.execute(
        # The subjects are looked through in their index: of 10,000 entries the rows took 75 ms, this takes 1.
        """SELECT entry_id FROM gallery WHERE number IN (
               SELECT number FROM gallery WHERE subject COLLATE NOCASE IN (SELECT value FROM json_each(?)))
           ORDER BY number""",
        (wanted,),
    )
    return [row[0] for row in rows.fetchall()]


def attempts(database: Database, subject: str) -> Attempts:
    """Return how often check-ins under a subject failed in a row."""
    row = database.execute(
        "SELECT attempts FROM gallery WHERE subject = ? AND attempts <> x'' LIMIT 1", (subject,)
    ).fetchone()
    return msgspec.msgpack.decode(row[0], type=Attempts) if row else Attempts()


def note_attempts(database: Database, subject: str, noted: Attempts) -> None:
    """Keep how often check-ins under a subject failed in a row; it is erased with the entries."""
    data = msgspec.msgpack.encode(noted) if noted.failed_in_a_row else b""
    database.execute("UPDATE gallery SET attempts = ? WHERE subject = ?", (data, subject))


def size(database: Database) -> int:
    """Return how many entries there are."""
    (entries,) = database.execute("SELECT count(*) FROM gallery").fetchone()
    return int(entries)


def fail(damage: StoreDamaged) -> None:
    """Read nothing more: what is done with a damaged entry where nobody says otherwise."""
    raise damage


def _references(
    rows: Iterable[tuple[Any, ...]],
    keys: EntryKeys,
    purpose: Purpose,
    site: str,
    on_damage: Callable[[StoreDamaged], None] = fail,
) -> list[Reference]:
    references = []
    for _, group in groupby(rows, key=itemgetter(0)):
        (_, entry_id, subject, wrapped, first), *others = group
        try:
            seal = keys.opened(entry_id, wrapped)
            templates = tuple(
                template_codec.decode(seal.opened(sealed)) for sealed in (first, *(row[4] for row in others))
            )
        except (TemplateDamaged, EntryRefused) as error:
            on_damage(
                StoreDamaged(
                    f"the gallery entry {entry_id.hex()} cannot be read ({error}); "
                    "remove it and register the person again"
                )
            )
            continue
        references.append(Reference(entry_id, subject, templates, purpose, site))
    return references
