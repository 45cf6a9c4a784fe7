"""Stages what comes of a gallery, chunk by chunk: what a member signed, and no more than was asked for.

The aggregator's word alone fills no card: each change is checked before it is kept, and counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from firmware.gallery import change_message
from firmware.gallery.values import Delivered, Delivery, Held
from firmware.uplink.gallery_calls import Chunk
from firmware.uplink.gallery_exchange import Exchange
from trust.gallery.change import MAX_SEALED_BYTES, Change, Kind
from trust.gallery.errors import ChangeRefused
from trust.gallery.sealing import SealedModality

LARGEST_BYTES = len(SealedModality) * MAX_SEALED_BYTES + 4096


class Staging:
    """One delivery on its way; `delivery` says how far it has come.

    limit_bytes: the most of changes that was asked for, 0 for no limit; erasures go beyond it.
    """

    def __init__(self, exchange: Exchange, held: Held, delivery: Delivery, limit_bytes: int) -> None:
        self.delivery = delivery
        self._with = exchange
        self._held = held
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._came: set[tuple[int, int]] = set()

    async def take(self, chunk: Chunk) -> None:
        """Keep a chunk until all of the delivery has come. Raises ChangeRefused; nothing is kept then."""
        gallery_id = self._held.gallery_id
        changes = [(place, change_message.from_message(gallery_id, each)) for place, each in chunk.changes]
        rows = [
            (place, change.kind is Kind.ERASE, change_message.encoded(change)) for place, change in changes
        ]
        delivery = self._counted(changes, rows)
        await self._with.in_background(partial(self._check_signed, changes))
        for _, change in changes:
            if change.kind is Kind.ERASE:
                await self._erase_at_once(change)
        await self._with.in_store(lambda store: store.shared.stage(delivery, rows))
        self.delivery = delivery

    def finish(self, *, complete: bool) -> None:
        """Raise ChangeRefused where the aggregator says that the limit is reached, and it is not."""
        if not complete and (not self._limit_bytes or self._size_bytes + LARGEST_BYTES < self._limit_bytes):
            raise ChangeRefused(
                "the aggregator keeps changes back for the day's bytes, of which there are more"
            )

    def _counted(
        self, changes: Sequence[tuple[int, Change]], rows: Sequence[tuple[int, bool, bytes]]
    ) -> Delivery:
        delivery = self.delivery
        for (place, change), (_, erases, data) in zip(changes, rows, strict=True):
            self._size_bytes += len(data)
            if self._limit_bytes and not erases and self._size_bytes > self._limit_bytes:
                raise ChangeRefused("the aggregator sends more than the day's bytes that it was told of")
            before = delivery.erasures if erases else delivery.changes
            if not before < place <= delivery.version or (change.author, change.seq) in self._came:
                raise ChangeRefused("the aggregator sends a change again, or out of its order")
            self._came.add((change.author, change.seq))
            delivery = (
                msgspec.structs.replace(delivery, erasures=place)
                if erases
                else msgspec.structs.replace(delivery, erasures=delivery.version, changes=place)
            )
        return delivery

    def _check_signed(self, changes: Sequence[tuple[int, Change]]) -> None:
        for _, change in changes:
            entry = self._held.entries.get(change.entry_id)
            if entry is not None and entry.link == change.link:
                continue  # held; the key that its author had then may be dropped by now
            roster = self._held.rosters.get(change.epoch)
            if (
                roster is None
                and self.delivery.kind is not Delivered.LOG
                and not change.is_whole
                and entry is not None
                and entry.version > change.version
            ):
                continue  # of a dropped key and replaced: the judge leaves it out
            member = roster.member(change.author) if roster is not None else None
            if member is None or not change.is_by(member.author_key):
                raise ChangeRefused(
                    f"change {change.seq} of member {change.author} is of no member of this gallery: it was "
                    "forged or altered"
                )
            if change.kind is Kind.ERASE and change.epoch < self._held.epoch:
                raise ChangeRefused(
                    "an erasure is of an older key than changes before it: a replay or forged"
                )

    async def _erase_at_once(self, change: Change) -> None:
        """Carry out an erasure before anything else has come: who signed it may, and it is never undone."""
        entry = self._held.entries.get(change.entry_id)
        if entry is not None and entry.kind is Kind.ERASE:
            return
        await self._with.in_inference(partial(self._with.matcher.remove, change.entry_id))
        moment = self._with.clock.now()
        if await self._with.in_store(lambda store: store.shared.erase_at_once(moment, change)):
            self._with.note(removed=1)
