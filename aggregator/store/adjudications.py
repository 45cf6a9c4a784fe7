"""Pairs of entries that may be of one person, decided by two people; inside the writer's transaction.

People see random ids and scores. A decision links two entries and changes neither, so it can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aggregator.holdings import Adjudication
from aggregator.records import Resemblance, Strength
from aggregator.store import administration
from aggregator.store.port import Database
from trust.gallery.roster import Roster

LATEST = 2**63 - 1
WORDS = {True: "one person", False: "different people"}
_SELECT = """
    SELECT number, gallery_id, site, purpose, first, second, score_llr, strength, told_by, told_ns, same,
        proposed_by, confirmed_by, decided_ns
    FROM adjudications JOIN galleries USING (gallery)"""

Words: TypeAlias = tuple[tuple[str, bool], ...]
"""Names of people, and whether each of them said that it is one person."""


@dataclass(frozen=True, slots=True)
class NotDecided:
    """Nothing was changed; why: for whoever asked."""

    why: str


def note(db: Database, device_id: str, told: Resemblance, now_ns: int) -> None:
    """Open a pair that a member of its gallery tells of; a known one, and one with an erased entry, stays.

    A device that is no member opens nothing: it could otherwise ask people about another site's entries.
    """
    row = db.execute(
        """SELECT gallery, roster FROM galleries JOIN gallery_rosters USING (gallery, epoch)
           WHERE gallery_id = ?""",
        (told.gallery_id,),
    ).fetchone()
    if row is None or Roster.parse(row[1]).member_of(device_id) is None:
        return
    gallery, first, second = row[0], *sorted((told.entry_id, told.resembles))
    erased = db.execute(
        "SELECT 1 FROM gallery_log WHERE gallery = ? AND entry_id IN (?, ?) AND newest = 1 AND erases = 1",
        (gallery, first, second),
    ).fetchone()
    if erased is None:
        db.execute(
            """INSERT INTO adjudications (gallery, first, second, score_llr, strength, told_by, told_ns)
               VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            (gallery, first, second, told.score_llr, told.strength.value, device_id, now_ns),
        )


def forget(db: Database, gallery: int, entry_id: bytes) -> None:
    """Drop the pairs of an entry that was erased."""
    db.execute("DELETE FROM adjudications WHERE gallery = ?1 AND ?2 IN (first, second)", (gallery, entry_id))


def read(
    db: Database, limit: int, *, only_open: bool = False, after: tuple[bool, int] = (False, LATEST)
) -> tuple[Adjudication, ...]:
    """Return pairs, those that wait first, each kind newest first.

    after: whether the last of the page before is decided, and its number.
    """
    rows = db.execute(
        f"""{_SELECT}
            WHERE (:only_open = 0 OR decided_ns IS NULL)
                AND (CAST(decided_ns IS NOT NULL AS INTEGER), -number) > (:decided, -:number)
            ORDER BY decided_ns IS NOT NULL, number DESC LIMIT :limit""",
        {"only_open": only_open, "decided": after[0], "number": after[1], "limit": limit},
    )
    return tuple(_adjudication(row) for row in rows)


def decided(db: Database, gallery: int) -> tuple[tuple[bytes, bytes, bool], ...]:
    """Return what is decided in a gallery: (entry, entry, whether one person)."""
    rows = db.execute(
        """SELECT first, second, same FROM adjudications WHERE gallery = ? AND decided_ns IS NOT NULL
           ORDER BY number""",
        (gallery,),
    )
    return tuple((first, second, bool(same)) for first, second, same in rows)


def decide(
    db: Database, number: int, name: str, actor: str, now_ns: int, *, same: bool
) -> Adjudication | NotDecided:
    """Write down what a person says of a pair; it is decided once another person says the same.

    name: the person's, by which two are told apart whatever their roles; actor: role and name.
    """
    pair = _one(db, number)
    if pair is None:
        return NotDecided(f"there is no pair {number}: see `adjudications list`")
    if pair.decided_ns is not None:
        return NotDecided(f"pair {number} is decided: `adjudications undo {number}` opens it again")
    said: Words = ((name, same),)
    if pair.same is None or (pair.proposed_by == name and pair.same is not same):
        return _written(db, now_ns, actor, "adjudication proposed", number, (same, name, "", None), said)
    if pair.proposed_by == name:
        return NotDecided(f"you have said so of pair {number}: another person has to confirm it")
    said = ((pair.proposed_by, pair.same), (name, same))
    if pair.same is not same:
        return _written(db, now_ns, actor, "adjudication disputed", number, (None, "", "", None), said)
    _count(db, number)
    settled = (same, pair.proposed_by, name, now_ns)
    return _written(db, now_ns, actor, "adjudication decided", number, settled, said)


def undo(db: Database, number: int, actor: str, now_ns: int) -> Adjudication | NotDecided:
    """Open a pair again. One person is enough: it restores what was before, two entries and no link."""
    pair = _one(db, number)
    if pair is None or pair.same is None:
        return NotDecided(f"nobody has said anything of pair {number}")
    if pair.decided_ns is not None:
        _count(db, number)
    names = (pair.proposed_by, *filter(None, [pair.confirmed_by]))
    said = tuple((name, pair.same) for name in names)
    return _written(db, now_ns, actor, "adjudication undone", number, (None, "", "", None), said)


def _written(
    db: Database,
    now_ns: int,
    actor: str,
    act: str,
    number: int,
    values: tuple[bool | None, str, str, int | None],
    said: Words,
) -> Adjudication:
    """Change a pair, and write into the hash-chained log what each person has said of it; said: in order."""
    db.execute(
        """UPDATE adjudications SET same = ?, proposed_by = ?, confirmed_by = ?, decided_ns = ?
           WHERE number = ?""",
        (*values, number),
    )
    found = _one(db, number)
    if found is None:
        raise AssertionError("the pair was there in this transaction")
    words = "; ".join(f"{name} says {WORDS[word]}" for name, word in said)
    subject = f"{number}: {found.first.hex()} {found.second.hex()}, {words}"
    administration.append(db, now_ns, actor, act, subject)
    return found


def _count(db: Database, number: int) -> None:
    db.execute(
        """UPDATE galleries SET decisions = decisions + 1
           WHERE gallery = (SELECT gallery FROM adjudications WHERE number = ?)""",
        (number,),
    )


def _one(db: Database, number: int) -> Adjudication | None:
    row = db.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
    return None if row is None else _adjudication(row)


def _adjudication(row: tuple[object, ...]) -> Adjudication:
    values = dict(zip(Adjudication.__struct_fields__, row, strict=True))
    same = values["same"]
    values |= {"strength": Strength(values["strength"]), "same": None if same is None else bool(same)}
    return Adjudication(**values)  # type: ignore[arg-type]
