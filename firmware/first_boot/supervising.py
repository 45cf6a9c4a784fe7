"""Lets the first supervisor sign in: the one whom the claim names, or one who is entered at the appliance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from firmware.clock import Clock
from firmware.config import Config
from firmware.first_boot.terms import Situation, Step, Trouble, standing
from firmware.opening import open_store
from firmware.page.store import certificate_of
from firmware.store.errors import StaffRefused
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.workflow.terms import Role
from trust.certificates import is_page_of
from trust.claim_file import ClaimFile
from trust.keys.guard import KeyGuard
from trust.names import DeviceName
from trust.tls.contexts import Shown


class Supervising:
    """Used from the event loop.

    asks: whether somebody can be entered, on a page or by a claim that is shown. certificate: what tablets
    see already, which the appliance keeps.
    """

    def __init__(
        self, clock: Clock, *, asks: bool, certificate: Callable[[], Shown | None] = lambda: None
    ) -> None:
        self._clock = clock
        self._asks = asks
        self._certificate = certificate
        self._entered: asyncio.Queue[tuple[str, bytearray]] = asyncio.Queue()

    def enter(self, name: str, pin: bytearray) -> None:
        """Take who was entered; the PIN is overwritten."""
        self._entered.put_nowait((name, pin))

    async def name_one(
        self, config: Config, guard: KeyGuard, claim: ClaimFile | None, show: Callable[[Situation], None]
    ) -> None:
        """Return once a supervisor may sign in, or nobody can be asked for one. Raises StoreError."""
        if config.page is None:
            return  # nobody signs in where there is no page
        store = await StoreThread.open(partial(open_store, config, guard))
        try:
            refused = await store.run(partial(self._known_or_added, claim))
            while refused is not None and self._asks:
                show(standing(config, Step.SUPERVISOR, Trouble.PIN if refused else None, refused))
                name, pin = await self._entered.get()
                refused = await store.run(partial(self._added, name, pin))
            named = DeviceName(config.device.id, config.device.site)
            if (made := self._certificate()) is not None and is_page_of(made.chain[0], named):
                await store.run(lambda store: certificate_of(store, named, made))
        finally:
            await store.close()

    def _known_or_added(self, claim: ClaimFile | None, store: Store) -> str | None:
        """Return None where somebody may sign in, else why not, empty where the claim names nobody."""
        if store.staff.has_supervisor():
            return None
        named = None if claim is None else claim.supervisor
        return "" if named is None else self._added(named.name, bytearray(named.pin, "ascii"), store)

    def _added(self, name: str, pin: bytearray, store: Store) -> str | None:
        try:
            store.staff.add(self._clock.now(), name, Role.SUPERVISOR, pin)
        except StaffRefused as error:
            return str(error)
        return None
