"""The port to what writes slots, and RAUC behind it, over the system's D-Bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from firmware.updater import UpdateFailed

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

NAME = "de.pengutronix.rauc"
INTERFACE = "de.pengutronix.rauc.Installer"
PROPERTIES = "org.freedesktop.DBus.Properties"
ANSWER_TIMEOUT_S = 60.0
"""RAUC asks its boot loader backend for each answer: a Python that starts, 1 s each on a Zero 2 W."""
IDLE_LOOK_S = 1.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot of a root partition. version: of the bundle that was written there whole, empty otherwise.

    booted: whether it is the one that runs.
    """

    name: str
    booted: bool
    version: str = ""


class Installer(Protocol):
    """Writes bundles into the slot that does not run. Every call raises UpdateFailed."""

    async def install(self, source: str) -> None:
        """Check a bundle and write it; returns when it is whole. source: a URL.

        Nothing is written of one that is not signed, is for other machines, or is not newer than what runs.
        """

    async def slots(self) -> Sequence[SlotFacts]:
        """Return the slots of root partitions."""

    async def mark(self, state: str, slot: str) -> None:
        """Say `good`, `bad` or `active` of the slot that is `booted`, or of the `other`."""


class Rauc:
    """RAUC's service. Each call has a connection of its own: updates are rare, and the service may restart.

    address: of the bus, None for the system's.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    async def install(self, source: str) -> None:
        """Install it, after what is being installed: RAUC is not stopped, and ends when its source does."""
        await self.until_idle()
        async with self._connected() as bus:
            completed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def hear(message: Any) -> None:
                if message.interface == INTERFACE and message.member == "Completed" and not completed.done():
                    completed.set_result(message.body[0])

            await _listen(bus)
            bus.add_message_handler(hear)
            await _call(bus, "InstallBundle", "sa{sv}", source, {})
            if await completed:
                said = str(await _property(bus, "LastError"))
                raise UpdateFailed(said.strip() or "RAUC could not install it and did not say why")

    async def until_idle(self) -> None:
        """Return once nothing is being installed. Raises UpdateFailed where there is no RAUC."""
        async with self._connected() as bus:
            while await _property(bus, "Operation") != "idle":  # noqa: ASYNC110 -- no signal tells it
                await asyncio.sleep(IDLE_LOOK_S)

    async def slots(self) -> Sequence[SlotFacts]:
        """Ask for the slots' states."""
        async with self._connected() as bus:
            (found,) = await _call(bus, "GetSlotStatus", "")
        values = {name: {key: each.value for key, each in facts.items()} for name, facts in found}
        return tuple(
            SlotFacts(
                name,
                facts.get("state") == "booted",
                facts.get("bundle.version", "") if facts.get("status") == "ok" else "",
            )
            for name, facts in sorted(values.items())
            if facts.get("class") == "rootfs"
        )

    async def mark(self, state: str, slot: str) -> None:
        """Mark it."""
        async with self._connected() as bus:
            await _call(bus, "Mark", "ss", state, slot)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[MessageBus]:
        # Imported here: most appliances never update within a run, and it takes 0.2 s.
        from dbus_fast import BusType
        from dbus_fast.aio import MessageBus

        try:
            bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
        except OSError as error:
            raise UpdateFailed(f"the system's message bus cannot be reached ({error.strerror})") from error
        try:
            yield bus
        finally:
            bus.disconnect()


async def _listen(bus: MessageBus) -> None:
    rule = f"type='signal',interface='{INTERFACE}'"
    await _ask(
        bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule
    )


async def _property(bus: MessageBus, name: str) -> Any:
    (variant,) = await _ask(bus, NAME, "/", PROPERTIES, "Get", "ss", INTERFACE, name)
    return variant.value


async def _call(bus: MessageBus, member: str, signature: str, *body: Any) -> list[Any]:
    return await _ask(bus, NAME, "/", INTERFACE, member, signature, *body)


async def _ask(
    bus: MessageBus, name: str, path: str, interface: str, member: str, signature: str, *body: Any
) -> list[Any]:
    """Return what is answered. Raises UpdateFailed with RAUC's own words."""
    from dbus_fast import Message, MessageType

    message = Message(name, path, interface, member, signature=signature, body=[*body])
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reply = await bus.call(message)
    except (TimeoutError, EOFError, OSError) as fault:
        raise UpdateFailed(f"RAUC does not answer ({type(fault).__name__}): look at its log") from fault
    if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
        words = str(reply.body[0]) if reply is not None and reply.body else "no words"
        raise UpdateFailed(f"RAUC refused it: {words}")
    return list(reply.body)
