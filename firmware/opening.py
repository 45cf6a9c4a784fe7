"""Opens what the configuration names: hardware, key guard, store, membership; the same for every command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from firmware import wiping
from firmware.clock import Clock
from firmware.config import Config, Site, Uplink
from firmware.guard.opening import no_console, open_guard
from firmware.guard.pin import AskPin
from firmware.mesh.book import Book
from firmware.mesh.opening import Mesh, SiteSettings
from firmware.store.connection import PAGE_BYTES
from firmware.store.opening import StoreSettings
from firmware.store.space import SpaceLimits
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.channel import Target
from firmware.uplink.errors import UplinkMisconfigured
from firmware.uplink.membership import Membership
from sensors.board.opening import open_board
from sensors.board.port import Board
from sensors.camera.opening import open_camera
from sensors.camera.port import Camera
from sensors.fingerprint.opening import open_reader
from sensors.fingerprint.port import FingerprintReader
from trust.keys.guard import KeyGuard
from trust.names import DeviceName
from trust.tls.address import Address, AddressRefused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hardware:
    """How each part is opened; None where it is not fitted. Tests and the demonstration hand in their own."""

    reader: Callable[[], FingerprintReader] | None
    camera: Callable[[], Camera] | None
    board: Callable[[], Board] | None

    @classmethod
    def of(cls, config: Config, *, console_keys: bool = True) -> Self:
        """The hardware that the configuration names; console_keys: see `open_board`."""
        reader, camera, board = config.fingerprint, config.camera, config.board
        return cls(
            (lambda: open_reader(reader.settings())) if reader else None,
            (lambda: open_camera(camera.settings(), camera.socket)) if camera else None,
            (lambda: open_board(board.settings(), with_keys=console_keys)) if board else None,
        )


def store_settings(config: Config) -> StoreSettings:
    """Return where the store lies, and what it serves."""
    device = config.device
    max_pages = None if device.max_store_mb is None else int(device.max_store_mb * 1e6) // PAGE_BYTES
    limits = SpaceLimits(waiting_events=device.max_waiting_events, free_share=device.min_free_share)
    return StoreSettings(
        device.data / "aidpost.db", device.id, device.purpose, device.site, max_pages, limits
    )


def open_keys(config: Config, ask_pin: AskPin = no_console) -> KeyGuard:
    """Open the key guard that the configuration names; the first start makes the keys. Raises GuardError.

    A wipe that was begun is finished first.
    """
    wiping.go_on(config.device.data, config.keys.settings())
    folder, exists = config.device.data, store_settings(config).path.exists()
    return open_guard(config.keys.settings(), folder, store_exists=exists, ask_pin=ask_pin)


def open_store(config: Config, guard: KeyGuard) -> Store:
    """Open the store that the configuration names, or make it. Raises StoreError."""
    with guard.store_key() as key:
        return store_settings(config).open(key)


def uplink_target(settings: Uplink) -> Target:
    """Return where the aggregator listens. Raises UplinkMisconfigured."""
    return Target.parse(settings.target, in_the_clear=settings.insecure_loopback)


def site_settings(settings: Site | None) -> SiteSettings:
    """Return where the site's appliances are. Raises UplinkMisconfigured."""
    if settings is None:
        return SiteSettings()
    try:
        listen = Address.parse(settings.listen)
    except AddressRefused as error:
        raise UplinkMisconfigured(f"`site.listen`: {error}") from error
    peers = {device: Target.parse(at, key=f"site.peers.{device}") for device, at in settings.peers.items()}
    return SiteSettings(listen, peers)


def open_membership(
    config: Config,
    guard: KeyGuard,
    target: Target,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Membership:
    """Return what joins the aggregator at `target`, and is shown to it."""
    device = config.device
    named = DeviceName(device.id, device.site)
    return Membership(target, guard, named, device.data, monotonic_ns=clock.monotonic_ns, sleep=sleep)


def open_mesh(
    config: Config,
    guard: KeyGuard,
    store: StoreThread,
    clock: Clock,
    *,
    uplink_connected: Callable[[], bool],
    on_change: Callable[[], None],
) -> Mesh:
    """Return the site mesh of an appliance, not started yet. Raises UplinkMisconfigured."""

    async def in_book(work: Callable[[Book], T], /) -> T:
        return await store.run(lambda opened: work(opened.ledger))

    device = config.device
    return Mesh(
        site_settings(config.site),
        guard,
        DeviceName(device.id, device.site),
        device.data,
        in_book,
        clock,
        uplink_connected=uplink_connected,
        on_change=on_change,
    )
