"""How long each entry of the gallery has been here; used in the store's thread, one transaction each.

An age is counted in uptime, and by the wall clock where that was good at both ends: whichever says more. An
entry's age begins when it is first seen by the count, at the start or within the hour; by the wall clock it
begins in the hour of the registration, wherever that was.
"""

from __future__ import annotations

import msgspec

from firmware import lease
from firmware.lease import LeaseUse
from firmware.records import Moment
from firmware.store import registered
from firmware.store.errors import PolicyWentBack
from firmware.store.journal import Journal


class Ages:
    """The ages of the entries, and the newest edition of the data policy that was in force here."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def count(self, now: Moment) -> dict[bytes, int]:
        """Count on; returns the age of each entry by its id, in ns."""
        with self._journal.transaction() as db:
            row = db.execute("SELECT uptime FROM retention").fetchone()
            before = msgspec.msgpack.decode(row[0], type=LeaseUse) if row and row[0] else None
            use = lease.used(before, now) if before else lease.renewed(now)
            db.execute(
                "INSERT INTO retention (id, uptime) VALUES (1, ?1) ON CONFLICT DO UPDATE SET uptime = ?1",
                (msgspec.msgpack.encode(use),),
            )
            db.execute("DELETE FROM ages WHERE entry_id NOT IN (SELECT entry_id FROM gallery)")
            db.execute(
                """INSERT INTO ages (entry_id, began, uptime_ns) SELECT entry_id, ?, ? FROM gallery
                   WHERE entry_id NOT IN (SELECT entry_id FROM ages)""",
                (msgspec.msgpack.encode(now), use.uptime_ns),
            )
            rows = db.execute("SELECT entry_id, began, uptime_ns FROM ages").fetchall()
            hours = registered.read(db)
        return {
            entry_id: max(
                age_ns(msgspec.msgpack.decode(began, type=Moment), since_ns, now, use.uptime_ns),
                _since_hour_ns(hours.get(entry_id, 0), now),
            )
            for entry_id, began, since_ns in rows
        }

    def policy_edition(self) -> int:
        """Return the newest edition that was in force, 0 before the first."""
        with self._journal.reading() as db:
            row = db.execute("SELECT edition FROM retention").fetchone()
            return 0 if row is None else int(row[0])

    def note_policy(self, edition: int) -> None:
        """Note which edition is in force. Raises PolicyWentBack for an older one than before."""
        with self._journal.transaction() as db:
            row = db.execute("SELECT edition FROM retention").fetchone()
            if row is not None and edition < row[0]:
                raise PolicyWentBack(
                    f"edition {row[0]} of the data policy was in force here, and this is edition {edition}: "
                    "put back the newer one"
                )
            db.execute(
                "INSERT INTO retention (id, edition) VALUES (1, ?1) ON CONFLICT DO UPDATE SET edition = ?1",
                (edition,),
            )


def age_ns(began: Moment, began_uptime_ns: int, now: Moment, uptime_ns: int) -> int:
    """Return how long ago `began` was; began_uptime_ns, uptime_ns: what was counted until then and now."""
    by_wall_ns = now.wall_ns - began.wall_ns if now.quality.is_set and began.quality.is_set else 0
    return max(uptime_ns - began_uptime_ns, by_wall_ns)


def _since_hour_ns(hour: int, now: Moment) -> int:
    return now.wall_ns - hour * registered.HOUR_NS if hour and now.quality.is_set else 0
