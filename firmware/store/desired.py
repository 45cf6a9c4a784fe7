"""How far the taking up of a desired state is, and the files that it needs: one transaction for each step."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from firmware.desired.terms import Standing
from firmware.records import Moment
from firmware.store.journal import Journal


class DesiredBook:
    """The tables of the desired state; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def standing(self) -> Standing:
        """Return how far it is; as it is before the first where nothing was desired yet."""
        with self._journal.reading() as db:
            row = db.execute("SELECT standing FROM desired").fetchone()
            return Standing() if row is None else msgspec.msgpack.decode(row[0], type=Standing)

    def save(self, moment: Moment, standing: Standing, new_files: Mapping[str, bytes] | None = None) -> None:
        """Write the next step. What was decided goes into the audit log.

        new_files: small ones, by their digests in hex; those that the step does not need any more are erased.
        """
        with self._journal.transaction() as db:
            before = self.standing()
            db.execute(
                "INSERT INTO desired (id, standing) VALUES (1, ?1) ON CONFLICT DO UPDATE SET standing = ?1",
                (msgspec.msgpack.encode(standing),),
            )
            for digest, content in (new_files or {}).items():
                db.execute("INSERT OR REPLACE INTO desired_files VALUES (?, ?)", (digest, content))
            needed = standing.digests()
            held = [digest for (digest,) in db.execute("SELECT digest FROM desired_files")]
            for digest in held:
                if digest not in needed:
                    db.execute("DELETE FROM desired_files WHERE digest = ?", (digest,))
            decision = standing.decision
            if decision is not None and decision != before.decision:
                facts = {"generation": str(decision.generation), "result": decision.result.value}
                if decision.refusals:
                    facts["fields"] = ", ".join(each.field for each in decision.refusals)
                self._journal.note("desired state", moment, msgspec.msgpack.encode(decision), facts)

    def files(self) -> dict[str, bytes]:
        """Return the small files that are needed, by their digests in hex."""
        with self._journal.reading() as db:
            return dict(db.execute("SELECT digest, content FROM desired_files").fetchall())
