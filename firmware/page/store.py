"""What the page takes from the appliance's store: who may sign in, and the certificate that tablets see."""

from __future__ import annotations

from firmware.clock import Clock
from firmware.page.ports import Member
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.terms import Role
from trust import certificates
from trust.names import DeviceName
from trust.tls.contexts import Shown


class StaffOfStore:
    """Staff as the store knows them (`firmware.page.ports.Staff`, `StaffWork`)."""

    def __init__(self, in_store: RunInStore, clock: Clock) -> None:
        self._in_store = in_store
        self._clock = clock

    async def names(self) -> tuple[str, ...]:
        """Return under which names staff sign in."""
        members = await self._in_store(lambda store: store.staff.members())
        return tuple(member.name for member in members)

    async def members(self) -> tuple[Member, ...]:
        """Return everybody, by name."""
        members = await self._in_store(lambda store: store.staff.members())
        return tuple(Member(member.name, member.role) for member in members)

    async def add(self, name: str, role: Role, pin: str, *, by: str) -> None:
        """Let somebody sign in. Raises StaffRefused."""
        moment, secret = self._clock.now(), bytearray(pin, "utf-8")
        await self._in_store(lambda store: store.staff.add(moment, name, role, secret, by=by))

    async def set_pin(self, name: str, pin: str, *, by: str) -> None:
        """Give a member another PIN. Raises StaffRefused."""
        moment, secret = self._clock.now(), bytearray(pin, "utf-8")
        await self._in_store(lambda store: store.staff.set_pin(moment, name, secret, by=by))

    async def remove(self, name: str, *, by: str) -> None:
        """Let a member sign in no more. Raises StaffRefused for the last supervisor."""
        moment = self._clock.now()
        await self._in_store(lambda store: store.staff.remove(moment, name, by=by))

    async def check_pin(self, name: str, pin: str, peer: str = "") -> Role | PinWrong | PinWaits:
        """Return the role of who has this name and PIN; wrong ones are counted, of each peer apart."""
        moment = self._clock.now()
        checked = await self._in_store(
            lambda store: store.staff.check_pin(moment, name, bytearray(pin, "utf-8"), peer=peer)
        )
        return checked if isinstance(checked, PinWrong | PinWaits) else checked.role


def new_certificate(named: DeviceName) -> Shown:
    """Return what tablets see of an appliance that has no store yet."""
    key = certificates.new_key()
    return Shown((certificates.make_page(key, named),), key)


def certificate_of(store: Store, named: DeviceName, made: Shown | None = None) -> Shown:
    """Return what tablets see, made at the first start and kept in the store. Raises StoreError.

    made: what they have seen already, before there was a store.
    """

    def make() -> tuple[bytes, bytes]:
        shown = made or new_certificate(named)
        return certificates.key_to_der(shown.key), certificates.to_der(shown.chain[0])

    key, certificate = store.page_certificate(make)
    return Shown((certificates.from_der(certificate),), certificates.key_from_der(key))
