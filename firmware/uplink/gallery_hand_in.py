"""Hands in what was erased and registered here, and what is to be sealed anew; erasures first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from firmware.gallery.judging import Making, wipe
from firmware.gallery.values import Held, Waiting
from firmware.records import Moment
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.uplink.gallery_calls import GalleryCalls
from firmware.uplink.gallery_exchange import Exchange
from trust.gallery.change import Change
from trust.gallery.roster import Roster

PUSHED_AT_ONCE = 100


async def hand_in(exchange: Exchange, calls: GalleryCalls) -> bool:
    """Hand in what waits; returns whether to fetch again."""
    held = await exchange.in_store(lambda store: store.shared.held())
    roster = held.roster
    exchange.keyring.take(held.rosters)
    member = exchange.keyring.member(roster) if roster is not None else None
    if roster is None or member is None:
        return False
    making = Making(roster, member, exchange.keyring, exchange.keys, exchange.matcher.plain)
    while True:
        waiting = await _waiting(exchange, roster, member.number)
        if not waiting:
            break
        references = await exchange.in_store(partial(_read, waiting))
        hours = await exchange.in_store(lambda store: store.shared.hours())
        seen = await exchange.in_store(lambda store: store.shared.untold(member.number))
        head = held.heads.get(member.number)
        try:
            changes = await exchange.in_background(
                partial(making.changes, waiting, references, hours, head, seen)
            )
        finally:
            wipe(references.values())
        if not changes:
            break
        version, size_bytes = await calls.push(held.gallery_id, held.version, changes)
        exchange.spend(size_bytes)
        if version is None:
            return True
        moment = exchange.clock.now()
        await exchange.in_store(partial(_pushed, moment, changes, version))
        exchange.note(pushed=len(changes))
        held = await exchange.in_store(lambda store: store.shared.held())
    if not await _tell_word(exchange, calls, held, making):
        return True
    await exchange.in_store(lambda store: store.shared.drop_former())
    return False


async def tell_ahead(exchange: Exchange, calls: GalleryCalls) -> None:
    """Tell what was erased here although what the aggregator sends was refused: no erasure waits for that.

    Where the aggregator does not take them either, they go out with the next exchange that is taken.
    """
    held = await exchange.in_store(lambda store: store.shared.held())
    roster = held.roster
    exchange.keyring.take(held.rosters)
    member = exchange.keyring.member(roster) if roster is not None else None
    if roster is None or member is None:
        return
    members = [each.number for each in roster.members]
    told, last = await exchange.in_store(lambda store: store.shared.ahead())
    most = len(told) + PUSHED_AT_ONCE
    waiting = await exchange.in_store(
        lambda store: store.shared.waiting(roster.epoch, member.number, members, most)
    )
    erased = tuple(pair for pair in waiting.erased if pair[0] not in told)[:PUSHED_AT_ONCE]
    if not erased:
        return
    making = Making(roster, member, exchange.keyring, exchange.keys, exchange.matcher.plain)
    head = last or held.heads.get(member.number)
    made = await exchange.in_background(partial(making.changes, Waiting(erased, (), ()), {}, {}, head, ()))
    taken, size_bytes = await calls.tell_ahead(held.gallery_id, made)
    exchange.spend(size_bytes)
    if taken:
        await exchange.in_store(lambda store: store.shared.told_ahead(made))
        exchange.note(pushed=len(made))


async def untold_erasures(exchange: Exchange, held: Held, changes: Sequence[Change]) -> list[Change]:
    """Return erasures of those entries in `changes` that were erased here and not told yet.

    Their sealed parts are gone, so that they cannot be handed in without: they would look held back. What was
    erased elsewhere is for its eraser to hand in.
    """
    roster = held.roster
    member = exchange.keyring.member(roster) if roster is not None else None
    newest = {change.entry_id: change for change in changes}
    theirs = await exchange.in_store(lambda store: store.shared.erased_elsewhere())
    erased = [
        (each.entry_id, each.version)
        for each in newest.values()
        if not each.is_whole and each.entry_id not in theirs
    ]
    if roster is None or member is None or not erased:
        return []
    making = Making(roster, member, exchange.keyring, exchange.keys, exchange.matcher.plain)
    head = held.heads.get(member.number)
    waiting = Waiting(tuple(erased), (), ())
    return await exchange.in_background(partial(making.changes, waiting, {}, {}, head, ()))


async def _waiting(exchange: Exchange, roster: Roster, number: int) -> Waiting:
    members = [member.number for member in roster.members]
    waiting = await exchange.in_store(
        lambda store: store.shared.waiting(roster.epoch, number, members, PUSHED_AT_ONCE)
    )
    if await exchange.spent() >= exchange.settings.daily_bytes:
        exchange.note(held_back=bool(waiting.new or waiting.former))
        return Waiting(waiting.erased, (), ())
    return waiting


async def _tell_word(exchange: Exchange, calls: GalleryCalls, held: Held, making: Making) -> bool:
    """Say once a day that this appliance is there; returns whether nobody was quicker."""
    moment, number = exchange.clock.now(), making.member.number
    others = len(making.roster.members) > 1
    if not others or not await exchange.in_store(lambda store: store.shared.has_word_to_tell(moment)):
        return True
    seen = await exchange.in_store(lambda store: store.shared.untold(number))
    word = await exchange.in_background(partial(making.word, held.heads.get(number), seen))
    version, size_bytes = await calls.push(held.gallery_id, held.version, [word])
    exchange.spend(size_bytes)
    if version is not None:
        await exchange.in_store(partial(_pushed, moment, [word], version))
    return version is not None


def _pushed(moment: Moment, changes: Sequence[Change], version: int, store: Store) -> None:
    store.shared.pushed(moment, changes, version)


def _read(waiting: Waiting, store: Store) -> dict[bytes, Reference]:
    wanted = [*waiting.new, *(entry_id for entry_id, _ in waiting.former)]
    found = [(entry_id, store.shared.reference(entry_id)) for entry_id in wanted]
    return {entry_id: reference for entry_id, reference in found if reference is not None}
