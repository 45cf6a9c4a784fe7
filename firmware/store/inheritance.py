"""What a new store takes over from a former one: a backup, or what could be read of a damaged file.

The new store has an epoch of its own, so that no sequence number is given twice: what still waited is
numbered anew and keeps its record ids. The audit log goes on as one chain across epochs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlite_utils import Database

from firmware.records import Event, Moment
from firmware.store import audit, protecting
from firmware.store.audit import AuditEntry, first_link, next_link
from firmware.store.entries import insert_encoded
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import StoreDamaged
from firmware.store.events import decoded, put
from firmware.store.reading import RangeReader
from inference import plain_codec, template_codec
from inference.errors import TemplateDamaged
from trust.consent import Purpose
from trust.gallery.entry_seal import EntrySeal
from trust.gallery.errors import EntryRefused

# Of the table `appliance`. The aggregator takes only a higher generation, so that a restored backup is held
# back until an operator has approved the device anew.
CARRIED = (
    *("generation", "receipt_key", "input_key", "protection_key"),
    *("synced", "unsynced_ns", "dropped_telemetry"),
)

# The tables of the work by their integer keys: taken over as they are, so that nobody collects twice and no
# session is forgotten because a card lost a page.
WORK_TABLES = {
    "staff": ("number", "name, role, salt, cost, pin, attempts"),
    "strangers": ("id", "attempts"),
    "lists": ("id", "workflow, cycle, head"),
    "appointments": ("number", "subject, appointment, attended"),
    "households": ("number", "subject, digest, household"),
    "claims": ("number", "household, desk, began, for_s, claim_ids"),
    "collections": ("number", "cycle, household, desk, at, within_cap, owner_silent, record_id"),
    "conflicts": ("number", "cycle, household, desk, at, record_id"),
    "reports": ("number", "device, owner, household, record_id, at"),
    "ended_cycles": ("number", "cycle"),
    "tokens": ("token", ""),
    "token_day": ("id", "day"),
    "closed_day": ("id", "figures, cycle, until"),
    "links": ("number", "child, caregiver, until"),
    "resemblances": ("number", "subject, resembles"),
    "open_session": ("id", "session"),
    "served": ("number", "served"),
    "day": ("id", "opened, operator, audit_number"),
    "ages": ("number", "entry_id, began, uptime_ns"),
    "retention": ("id", "uptime, edition"),
    "tombstones": ("number", "entry_id"),
    "erasures_seen": ("number", "entry_id, author, seq"),
    "registered": ("number", "entry_id, hour"),
}


@dataclass(frozen=True, slots=True)
class FormerEntry:
    """An entry as it was stored; its templates are bytes, plain ones where an earlier version wrote them."""

    entry_id: bytes
    subject: str
    templates: tuple[bytes, ...]
    purpose: Purpose
    site: str


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What was read.

    epoch: of the former store, None when that could not be read. chain_epoch: what its audit log began with.
    audit: (entry, chain) of each row from the first, as far as the chain holds. waiting: what the aggregator
    did not hold, in order. carried: the columns of `CARRIED`, as far as they were there. lease: what of it
    was used up, as stored. work: rows of `WORK_TABLES`. as_of_ns: when a backup was made, by the wall clock
    of its device. lost: about how many rows could not be read, by what they were.
    """

    epoch: bytes | None = None
    chain_epoch: bytes | None = None
    audit: Sequence[tuple[bytes, bytes]] = ()
    waiting: Sequence[Event] = ()
    references: Sequence[FormerEntry] = ()
    carried: dict[str, bytes | int] = field(default_factory=dict)
    lease: bytes = b""
    work: dict[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)
    as_of_ns: int | None = None
    lost: dict[str, int] = field(default_factory=dict)


def read(reader: RangeReader, purpose: Purpose, site: str, entry_keys: EntryKeys) -> Inheritance:
    """Read a former store, the audit log and the outbox first.

    purpose, site: of the new store, for the entries of a file whose own cannot be read. entry_keys: under
    which the entries of the former one are.
    """
    # Only the columns that are there: a damaged file may be of an earlier version, and cannot be migrated.
    appliance = reader.only_row("appliance") or {}
    epoch, last_seq = appliance.get("epoch"), appliance.get("last_seq", 0)
    chain_epoch = appliance.get("chain_epoch") or epoch
    former_site, former_purpose = appliance.get("site", site), appliance.get("purpose", purpose.value)
    audit_rows, audit_lost = reader.rows("audit", "number", "entry, chain", at_least=last_seq)
    audit = _chained(audit_rows, chain_epoch)
    waiting, events_lost = _waiting(reader, last_seq)
    references, entries_lost = _references(reader, Purpose(former_purpose), former_site, entry_keys)
    work, work_lost = _work(reader)
    lost = {
        "audit rows": audit_lost + len(audit_rows) - len(audit),
        "events": events_lost,
        "entries": entries_lost,
        "rows of the work": work_lost,
    }
    return Inheritance(
        epoch=epoch,
        chain_epoch=chain_epoch,
        audit=audit,
        waiting=waiting,
        references=references,
        carried={name: appliance[name] for name in CARRIED if appliance.get(name) not in (None, b"")},
        lease=(reader.only_row("lease") or {}).get("used", b""),
        work=work,
        lost={what: count for what, count in lost.items() if count},
    )


def take_over(
    database: Database,
    entry_keys: EntryKeys,
    former: Inheritance,
    moment: Moment,
    purpose: Purpose,
    epoch: bytes,
    cause: str,
) -> bytes:
    """Write what was read into a new store of this epoch, within the caller's transaction.

    Returns the epoch with which the audit log begins.
    """
    began = former.chain_epoch if former.audit and former.chain_epoch else epoch
    values = former.carried | {"chain_epoch": began, "epoch_began_at": len(former.audit) + 1}
    changes = ", ".join(f"{name} = ?" for name in values)
    database.execute(f"UPDATE appliance SET {changes}", tuple(values.values()))  # noqa: S608
    foreign = _take_over_entries(database, entry_keys, former.references)
    for row in former.audit:
        database.execute("INSERT INTO audit (entry, chain) VALUES (?, ?)", row)
    facts = {"cause": cause, "waiting": str(len(former.waiting))}
    lost = Counter(former.lost)
    lost["entries"] += foreign
    facts |= {f"lost {what}": str(count) for what, count in lost.items() if count}
    if former.as_of_ns is not None:
        facts["as of"] = str(former.as_of_ns)
    about = hashlib.sha256(former.epoch or b"").digest()
    audit.append(database, began, AuditEntry(audit.NEW_EPOCH, moment, purpose, about, facts=facts))
    for event in former.waiting:
        seq, link = put(database, event.moment, event.body)
        facts = {"formerly": str(event.seq)}
        audit.append(database, began, AuditEntry("event numbered anew", moment, purpose, link, seq, facts))
    for table, rows in former.work.items():
        key, columns = WORK_TABLES[table]
        names = ", ".join(filter(None, (key, columns)))
        marks = ", ".join("?" * len(names.split(", ")))
        # OR IGNORE: of two rows that contradict each other, which only a damaged file has, the first stays.
        database.conn.executemany(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
    if former.lease:
        database.execute("INSERT INTO lease (id, used) VALUES (1, ?)", (former.lease,))
    return began


def _take_over_entries(database: Database, keys: EntryKeys, entries: Sequence[FormerEntry]) -> int:
    """Write the entries, protected; returns how many had nothing that is of use under the gallery's key.

    That happens where the page with a renewed key cannot be read.
    """
    protection, foreign = protecting.protection(database), 0
    try:
        for entry in entries:
            usable = [
                protecting.protected(protection, data, entry.entry_id) if _is_plain(data) else data
                for data in entry.templates
                if _is_plain(data) or template_codec.decode(data).key_id == protection.key_id
            ]
            if usable:
                insert_encoded(database, keys, entry.entry_id, entry.subject, usable)
            else:
                foreign += 1
    finally:
        protection.wipe()
    return foreign


def _is_plain(data: bytes) -> bool:
    """Whether an earlier version wrote the template."""
    return data[:1] == bytes([plain_codec.VERSION])


def _chained(
    rows: Sequence[tuple[int, bytes, bytes]], chain_epoch: bytes | None
) -> list[tuple[bytes, bytes]]:
    """Return the rows from the first on, as far as each is chained to the one before."""
    if chain_epoch is None:
        return []
    link, held = first_link(chain_epoch), []
    for number, (found, entry, chain) in enumerate(rows, 1):
        link = next_link(link, entry)
        if found != number or link != chain or not _is_entry(entry):
            break
        held.append((entry, chain))
    return held


def _is_entry(data: bytes) -> bool:
    try:
        msgspec.msgpack.decode(data, type=AuditEntry)
    except msgspec.DecodeError:
        return False
    return True


def _waiting(reader: RangeReader, last_seq: int) -> tuple[list[Event], int]:
    """Return the events that wait; where the queue cannot be read, every record counts as waiting.

    Sending what the aggregator holds already costs it a second record of the same id; the other way a record
    would be lost.
    """
    records, lost = reader.rows("records", "seq", "event", at_least=last_seq)
    queue, queue_lost = reader.rows("outbox", "seq", "seq", at_least=last_seq)
    queued = {seq for seq, _ in queue}
    events = []
    for seq, data in records:
        if not queue_lost and seq not in queued:
            continue
        try:
            events.append(decoded(seq, data))
        except StoreDamaged:
            lost += 1
    return events, lost


def _work(reader: RangeReader) -> tuple[dict[str, Sequence[tuple[Any, ...]]], int]:
    present, lost = reader.tables(), 0
    found: dict[str, Sequence[tuple[Any, ...]]] = {}
    for table, (key, columns) in WORK_TABLES.items():
        if table not in present:  # of an earlier version
            continue
        rows, rows_lost = reader.rows(table, key, columns or key)
        lost += rows_lost
        if rows:
            found[table] = [row if columns else row[:1] for row in rows]
    return found, lost


def _references(
    reader: RangeReader, purpose: Purpose, site: str, entry_keys: EntryKeys
) -> tuple[list[FormerEntry], int]:
    has_keys = "sealed_key" in reader.columns("gallery")  # not in an earlier version
    entries, lost = reader.rows(
        "gallery", "number", f"entry_id, subject, {'sealed_key' if has_keys else 'NULL'}"
    )
    seals: dict[int, EntrySeal] = {}
    for number, entry_id, _, wrapped in entries:
        if wrapped:
            with suppress(EntryRefused):
                seals[number] = entry_keys.opened(entry_id, wrapped)
    rows, templates_lost = reader.rows("templates", "entry", "entry, template")  # of an earlier version
    if "protected_templates" in reader.tables():
        present, present_lost = reader.rows("protected_templates", "number", "entry, template")
        rows, templates_lost = rows + present, templates_lost + present_lost
    by_entry: dict[int, list[bytes]] = {}
    for _, entry, data in rows:
        try:
            # What is sealed begins with a random byte: an entry that has a key holds nothing else.
            content = seals[entry].opened(data) if entry in seals else data
            (plain_codec if _is_plain(content) else template_codec).decode(content)
        except (TemplateDamaged, EntryRefused):
            templates_lost += 1
        else:
            by_entry.setdefault(entry, []).append(content)
    references = []
    for number, entry_id, subject, _ in entries:
        if templates := by_entry.get(number):
            references.append(FormerEntry(entry_id, subject, tuple(templates), purpose, site))
        else:
            lost += 1
    return references, max(lost, templates_lost)
