"""The `pin` guard: the operator's PIN opens the keys, through Argon2id.

Wrong tries are counted in `keys.json` before each try, so that pulling the plug does not take one back, and
the wait grows. That slows down who stands at the appliance. Who has copied the card can try at home: there
only the length of the PIN and the cost of Argon2id count.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware.guard import key_file
from firmware.guard.key_file import KeyFile, PinState
from firmware.guard.wrapped import WrappedGuard, new_keys
from firmware.guard.wrapping import context_of, unwrap, wrap
from firmware.records import Moment
from trust.keys.errors import KeysDamaged, PinRefused
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES, Argon2Cost, stretched

AskPin = Callable[[str], bytearray]
"""Asks the operator, with this prompt; returns UTF-8 bytes, which the guard overwrites."""

MIN_LENGTH = 8  # SP 800-63B-4 §3.1.1.2: at least 8 characters where the PIN is not the only factor in hand
FREE_TRIES = 5  # then each failure doubles the wait
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0  # SP 800-63B §5.2.2: delays that grow, up to an hour
_STORE, _DEVICE = context_of(GuardKind.PIN, "store"), context_of(GuardKind.PIN, "device")


def ask_for_pin(folder: Path, keys: KeyFile | None, ask: AskPin, now: Callable[[], Moment]) -> bytearray:
    """Ask for the PIN of these keys; keys: None asks for a new PIN twice. Hold no lock meanwhile.

    Raises PinRefused, which says how long to wait, and KeysDamaged.
    """
    if keys is None:
        return ask_for_new_pin(ask)
    _state(folder, keys, now())
    return ask("PIN of this appliance")


def ask_for_new_pin(ask: AskPin) -> bytearray:
    """Ask for a new PIN twice. Raises PinRefused."""
    pin, again = ask(f"New PIN, at least {MIN_LENGTH} characters"), bytearray()
    try:
        if len(pin.decode("utf-8", "replace")) < MIN_LENGTH:
            raise PinRefused(
                f"a PIN has at least {MIN_LENGTH} characters, and a sentence is better: try again"
            )
        again = ask("The same again")
        if pin != again:
            raise PinRefused("the two PINs differ: try again")
        return bytearray(pin)
    finally:
        for text in (pin, again):
            text[:] = bytes(len(text))


def open_pin_guard(
    folder: Path,
    keys: KeyFile | None,
    pin: bytearray,
    now: Callable[[], Moment],
    cost: Argon2Cost = Argon2Cost(),  # noqa: B008 -- frozen
) -> WrappedGuard:
    """Open the guard with what was typed, which is overwritten; keys: None makes them.

    cost: of Argon2id, for new keys. Raises PinRefused, which says how long to wait, and GuardError.
    """
    if keys is None:
        salt = os.urandom(SALT_BYTES)
        with stretched(pin, salt, cost) as kek:
            keys = new_keys(GuardKind.PIN, salt, kek, PinState(cost))
            key_file.create(folder, keys)
            return WrappedGuard(folder, keys, kek)
    with checked(folder, keys, pin, now) as kek:
        return WrappedGuard(folder, keys, kek)


def change_pin(folder: Path, keys: KeyFile, former: SecretKey, pin: bytearray) -> None:
    """Wrap the same keys under a new PIN, which is overwritten; the store is not touched.

    former: the key of the PIN so far. Raises GuardError.
    """
    salt = os.urandom(SALT_BYTES)
    with (
        stretched(pin, salt, Argon2Cost()) as kek,
        unwrap(former, keys.store_key, _STORE) as store_key,
        unwrap(former, keys.device_key or b"", _DEVICE) as device_key,
        store_key.view() as store,
        device_key.view() as device,
    ):
        wrapped = (wrap(kek, store, _STORE), wrap(kek, device, _DEVICE))
        key_file.replace(
            folder,
            msgspec.structs.replace(
                keys, salt=salt, store_key=wrapped[0], device_key=wrapped[1], pin=PinState()
            ),
        )


def wait_s(state: PinState, now: Moment) -> float:
    """Return how long the next try must wait, in seconds.

    Counted in the uptime of this boot: a restart, or a clock that was set, shortens nothing.
    """
    if state.failures < FREE_TRIES:
        return 0.0
    # Capped before it is raised: the count has no limit.
    doublings = min(state.failures - FREE_TRIES, 12)
    wait = min(FIRST_WAIT_S * (1 << doublings), LONGEST_WAIT_S)
    since_ns = state.failed_ns if state.failed_boot == now.boot_id else 0
    return max(0.0, wait - (now.monotonic_ns - since_ns) / 1e9)


def checked(folder: Path, keys: KeyFile, pin: bytearray, now: Callable[[], Moment]) -> SecretKey:
    """Count the try, overwrite the PIN, and return its key once it opens the store's key."""
    moment = now()
    try:
        state = _state(folder, keys, moment)  # another process may have failed since the PIN was asked for
        failed = msgspec.structs.replace(
            state, failures=state.failures + 1, failed_boot=moment.boot_id, failed_ns=moment.monotonic_ns
        )
        key_file.replace(folder, msgspec.structs.replace(keys, pin=failed))
        kek = stretched(pin, keys.salt, state.cost)
    finally:
        pin[:] = bytes(len(pin))
    try:
        unwrap(kek, keys.store_key, _STORE).close()
    except KeysDamaged:
        kek.close()
        left = FREE_TRIES - failed.failures
        after = f"{left} more without a wait" if left > 0 else f"wait {wait_s(failed, now()):.0f} s"
        raise PinRefused(f"wrong PIN: {after}") from None
    succeeded = msgspec.structs.replace(state, failures=0, failed_boot=b"", failed_ns=0)
    key_file.replace(folder, msgspec.structs.replace(keys, pin=succeeded))
    return kek


def _state(folder: Path, keys: KeyFile, moment: Moment) -> PinState:
    """Return what is known of the tries, once the next one is free."""
    if keys.pin is None:
        raise KeysDamaged(
            f"{folder / key_file.KEYS} says nothing of its PIN; put back the file of this store"
        )
    if wait := wait_s(keys.pin, moment):
        raise PinRefused(f"{keys.pin.failures} wrong PINs in a row: wait {wait:.0f} s and try again")
    return keys.pin
