"""What a device said it had done, and whether the aggregator and the store agree with it afterwards."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from firmware.clock import Clock
from firmware.store.opening import open_or_mend
from tests.kit.store_values import DEVICE, PURPOSE
from tests.torture.producer import guard_of, store_settings


@dataclass(slots=True)
class Ledger:
    """shown: record id (hex) by sequence number. acked_seq: up to where the device let go of its events.

    faults: what it said of the store. references, erased: gallery entries that must be there, and must not.
    """

    shown: dict[int, str] = field(default_factory=dict)
    acked_seq: int = 0
    references: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """Take one line of a producer, without its time."""
        word, _, rest = line.partition(" ")
        match word:
            case "shown":
                seq, record = rest.split()
                if int(seq) in self.shown:
                    self.faults.append(f"the number {seq} was given twice")
                self.shown[int(seq)] = record
            case "acked":
                self.acked_seq = max(self.acked_seq, int(rest))
            case "kept":
                self.references.add(rest)
            case "erasing":
                self.references.discard(rest)  # from here on it may be there or not
            case "erased":
                self.erased.add(rest)
            case "fault":
                self.faults.append(rest)
            case _:  # ready, connected, lost, full: of interest for their times alone
                pass

    def judge(self, store: Path, folder: Path) -> tuple[str, ...]:
        """Return what is wrong at both ends after everything was delivered; store: the aggregator's."""
        return (*self.faults, *self.judge_aggregator(store), *self.judge_store(folder))

    def judge_aggregator(self, store: Path, *, drained: bool = True) -> list[str]:
        """Return what is wrong at the aggregator, one sentence each.

        drained: the device said that everything is acknowledged; otherwise only that much must be there.
        """
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT seq, hex(record_id) FROM events ORDER BY seq").fetchall()
            outboxes = db.execute("SELECT device_id, acked_seq, disputed_ns FROM outboxes").fetchall()
            (breaks,) = db.execute("SELECT count(*) FROM chain_breaks").fetchone()
            (conflicts,) = db.execute("SELECT count(*) FROM conflicts").fetchone()
            (verdict,) = db.execute("PRAGMA quick_check").fetchone()
        held = {seq: record.lower() for seq, record in rows}
        must = {seq: record for seq, record in self.shown.items() if drained or seq <= self.acked_seq}
        both, times_held = must.keys() & held.keys(), Counter(seq for seq, _ in rows)
        wrong = [f"event {seq} was shown as done and is not held" for seq in must.keys() - held.keys()]
        wrong += [f"event {seq} is another one" for seq in both if must[seq] != held[seq]]
        wrong += [f"event {seq} is held twice" for seq, times in times_held.items() if times > 1]
        last = max(held, default=0)
        if drained and len(held) != last:
            wrong.append(f"{last - len(held)} events are missing below {last}")
        if len(outboxes) > 1 or any(name != DEVICE or disputed for name, _, disputed in outboxes):
            wrong.append(f"the outbox was disputed or began anew: {outboxes}")
        if self.acked_seq > last:
            wrong.append(f"event {self.acked_seq} was acknowledged and is not held")
        if breaks or conflicts or verdict != "ok":
            wrong.append(f"{breaks} breaks of the chain, {conflicts} conflicts, quick_check {verdict}")
        return wrong

    def judge_store(self, folder: Path) -> list[str]:
        """Open the device's store as its next start does; return what is wrong, one sentence each."""
        with guard_of(folder) as guard, guard.store_key() as key:
            store, saved = open_or_mend(store_settings(folder), key, Clock().now())
        try:
            wrong = [] if saved is None else [f"the store was damaged: {saved}"]
            last = store.outbox.last_seq()
            if last < max(self.shown, default=0):
                wrong.append(f"events after {last} were shown as done and are lost")
            if last < self.acked_seq:
                wrong.append(f"event {self.acked_seq} arrived; its number will be given again after {last}")
            waiting = [queued.seq for queued in store.outbox.pending(0, last + 1)]
            if waiting != list(range(last - len(waiting) + 1, last + 1)):
                wrong.append(f"what waits has gaps: {waiting}")
            # The store knows of an acknowledgement before it can be said.
            self.acked_seq = max(self.acked_seq, last - len(waiting))
            entries = {entry.entry_id.hex() for entry in store.gallery.references(PURPOSE)}
            wrong += [f"the gallery lost {entry}" for entry in self.references - entries]
            wrong += [f"the erased entry {entry} came back" for entry in self.erased & entries]
            if not isinstance(verdict := store.verify_audit(), int):
                wrong.append(f"the audit log does not hold: {verdict}")
        finally:
            store.close()
        return wrong
