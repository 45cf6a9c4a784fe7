"""The store of a device that is not there: the outbox in memory, with the real chain and the real rules."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from firmware.event_message import canonical
from firmware.records import Event, EventBody, Moment, Queued, SignedReceipt
from firmware.store.store import Store
from trust.chain import Receipt, first_link, next_link

ResultT = TypeVar("ResultT")


class VirtualStore:
    """What an `Uplink` asks of a store. Nothing is on a disk: the process ends, and the device with it.

    refused: receipts that do not hold.
    """

    def __init__(self, device_id: str, site: str, epoch: bytes) -> None:
        self.device_id = device_id
        self.site = site
        self.epoch = epoch
        self.outbox = self
        self.space = self
        self.refused = 0
        self._link = first_link(device_id, epoch)
        self._queue: list[Queued] = []
        self._links: dict[int, bytes] = {}
        self._last_seq = self._acked_seq = self._generation = 0

    async def run(self, work: Callable[[Store], ResultT], /) -> ResultT:
        """Do work as the store's thread would."""
        return work(cast("Store", self))

    def commit(self, moment: Moment, body: EventBody) -> None:
        """Write an event down: number, chain and queue."""
        self._last_seq += 1
        event = Event(self._last_seq, moment, body)
        self._link = next_link(self._link, canonical(event))
        self._links[self._last_seq] = self._link
        self._queue.append(Queued(event, self._link))

    def counts(self) -> Any:
        """Return how many were written."""
        return SimpleNamespace(written=self._last_seq)

    def last_seq(self) -> int:
        """Return the highest number given."""
        return self._last_seq

    @property
    def waiting(self) -> int:
        """How many events the aggregator does not hold."""
        return self._last_seq - self._acked_seq

    def pending(self, after_seq: int, limit: int) -> list[Queued]:
        """Return the first events after a number."""
        start = max(0, after_seq - self._acked_seq)
        return self._queue[start : start + limit]

    def receipt_holds(self, receipt: SignedReceipt) -> bool:
        """Whether the aggregator signed what was chained here."""
        link = self._links.get(receipt.seq)
        holds = link is not None and Receipt(
            self.device_id, self.epoch, receipt.seq, link, receipt.server_ns
        ).holds(receipt.receipt_key, receipt.signature)
        self.refused += not holds
        return holds

    def acknowledge(self, seq: int, _moment: Moment, _receipt: SignedReceipt | None = None) -> int:
        """Take everything up to seq from the queue."""
        gone = max(0, seq - self._acked_seq)
        for queued in self._queue[:gone]:
            self._links.pop(queued.event.seq - 1, None)
        del self._queue[:gone]
        self._acked_seq += gone
        return gone

    def note_synced(self, moment: Moment) -> None:
        """There is nothing to note."""

    def requeue(self, acked_seq: int) -> int:
        """Raise: an aggregator that was restarted has lost what it acknowledged."""
        raise RuntimeError(f"{self.device_id}: the aggregator holds {acked_seq}, it held {self._acked_seq}")

    def next_generation(self) -> int:
        """Return the generation of the next hello."""
        self._generation += 1
        return self._generation
