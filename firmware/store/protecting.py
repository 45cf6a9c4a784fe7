"""The gallery's protection key, and the templates that are made anew under it; in the caller's transaction.

A gallery that this appliance made draws its key from the store's, so that it is found again where a damaged
file lost it; a renewed one is random. It lies in the store: who opens the store has both.
"""

from __future__ import annotations

import hmac

from sqlite_utils import Database

from firmware.protection import TemplateProtection
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import StoreDamaged
from inference import plain_codec, template_codec
from inference.errors import TemplateDamaged
from inference.protection.key_stream import KEY_BYTES
from trust.consent import Purpose
from trust.gallery.fields import join
from trust.keys.secret import SecretKey


def ensure_key(database: Database, store_key: SecretKey, purpose: Purpose, site: str) -> None:
    """Draw the gallery's key from the store's where it has none yet."""
    derived = derived_key(store_key, purpose, site)
    database.execute("UPDATE appliance SET protection_key = ? WHERE protection_key = x''", (derived,))


def derived_key(store_key: SecretKey, purpose: Purpose, site: str) -> bytes:
    """Return the key that a gallery of this purpose and site has first."""
    with store_key.view() as view:
        bound_to = join([b"aidpost protection key 1", purpose.value.encode(), site.encode()])
        return hmac.digest(view, bound_to, "sha256")


def key(database: Database) -> SecretKey:
    """Return the gallery's key; the caller closes it."""
    (stored,) = database.execute("SELECT protection_key FROM appliance").fetchone()
    return SecretKey.taken_from(bytearray(stored))


def protection(database: Database) -> TemplateProtection:
    """Return the transforms of the gallery; the caller wipes them."""
    with key(database) as secret:
        return TemplateProtection(secret)


def protect_plain(database: Database, entry_keys: EntryKeys) -> int:
    """Protect the templates that a former version stored plain, some 3 ms each; returns how many.

    Raises StoreDamaged for one that cannot be read.
    """
    rows = database.execute(
        "SELECT entry, position, entry_id, sealed_key, template FROM templates JOIN gallery ON entry = number"
    ).fetchall()
    if not rows:
        return 0
    keyed = protection(database)
    try:
        for entry, position, entry_id, wrapped, data in rows:
            sealed = entry_keys.opened(entry_id, wrapped).seal(protected(keyed, data, entry_id))
            database.execute(
                "INSERT INTO protected_templates (entry, position, template) VALUES (?, ?, ?)",
                (entry, position, sealed),
            )
        database.execute("DELETE FROM templates")
    except TemplateDamaged as error:
        raise StoreDamaged(f"the gallery entry {entry_id.hex()} cannot be read ({error})") from error
    finally:
        keyed.wipe()
    return len(rows)


def protected(keyed: TemplateProtection, plain: bytes, entry_id: bytes) -> bytes:
    """Return a plain template protected, both as bytes. Raises TemplateDamaged."""
    template = plain_codec.decode(plain)
    try:
        return template_codec.encode(keyed.protect(template, entry_id))
    finally:
        template.wipe()


def renew(database: Database, entry_keys: EntryKeys) -> int:
    """Draw a new key and make every template anew under it; returns how many.

    Templates under the former key and the new one do not link by themselves; whole galleries do
    (docs/template-protection.md). Raises InferenceError and EntryRefused; nothing has changed then.
    """
    former = protection(database)
    with SecretKey.random(KEY_BYTES) as new, new.view() as view:
        database.execute("UPDATE appliance SET protection_key = ?", (bytes(view),))
    keyed = protection(database)
    rows = database.execute(
        """SELECT protected_templates.number, entry_id, sealed_key, template
           FROM protected_templates JOIN gallery ON entry = gallery.number"""
    ).fetchall()
    try:
        for number, entry_id, wrapped, data in rows:
            seal = entry_keys.opened(entry_id, wrapped)
            plain = former.plain(template_codec.decode(seal.opened(data)), entry_id)
            made = seal.seal(template_codec.encode(keyed.protect(plain, entry_id)))
            plain.wipe()
            database.execute("UPDATE protected_templates SET template = ? WHERE number = ?", (made, number))
    finally:
        former.wipe()
        keyed.wipe()
    return len(rows)
