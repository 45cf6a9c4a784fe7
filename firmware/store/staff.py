"""Who works at the appliance, and the PINs with which they sign in.

A PIN of six digits is a million tries: what protects it here is the delay, and off the appliance that the
store is encrypted. Argon2id makes each try dear for who has the store's key as well.
"""

from __future__ import annotations

import hmac
import itertools
import math
import os
import re

import msgspec

from firmware.guard.pin import FREE_TRIES
from firmware.records import Attempts, Moment
from firmware.store.errors import StaffRefused
from firmware.store.journal import Journal
from firmware.store.network_tries import NetworkTries, wait_s
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.terms import Role
from trust.keys.stretching import SALT_BYTES, SIGN_IN_COST, Argon2Cost, stretched

MIN_PIN_DIGITS = (
    6  # SP 800-63B-4 §3.1.1.2 asks for 8 where verifiers are remote; 6 is its floor for activation
)
MAX_PIN_DIGITS = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_NO_SALT, _NO_PIN = bytes(SALT_BYTES), bytes(32)


class Staff(msgspec.Struct, frozen=True):
    """A member of staff, as they sign in."""

    name: str
    role: Role

    def may(self, need: Role) -> bool:
        """Whether the role suffices: a supervisor may do all that an operator may."""
        return self.role is Role.SUPERVISOR or need is Role.OPERATOR


class StaffRegister:
    """The table of staff; each change is in the audit log. cost: of PINs that are set from now on."""

    def __init__(self, journal: Journal, cost: Argon2Cost = SIGN_IN_COST) -> None:
        self._journal = journal
        self._cost = cost
        self._network = NetworkTries(journal)

    def members(self) -> list[Staff]:
        """Return everybody, by name."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT name, role FROM staff ORDER BY name").fetchall()
        return [Staff(name, Role(role)) for name, role in rows]

    def has_supervisor(self) -> bool:
        """Whether anybody may decide who is staff."""
        return any(member.role is Role.SUPERVISOR for member in self.members())

    def add(self, moment: Moment, name: str, role: Role, pin: bytearray, *, by: str = "") -> None:
        """Add a member; the PIN is overwritten. by: the supervisor who decided it, empty at the console.

        Raises StaffRefused.
        """
        if not _NAME.fullmatch(name):
            pin[:] = bytes(len(pin))
            raise StaffRefused(
                "a name to sign in with has 1 to 32 letters, digits and . _ - without spaces: take a first "
                "name or a badge number"
            )
        salt, cost, digest = self._stretched(pin)
        with self._journal.transaction() as db:
            added = db.execute(
                """INSERT INTO staff (name, role, salt, cost, pin) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                (name, role.value, salt, cost, digest),
            )
            if not added.rowcount:
                raise StaffRefused(f"somebody signs in as {name!r} already: take another name")
            self._note(moment, "staff added", name, role, by)

    def remove(self, moment: Moment, name: str, *, by: str = "") -> None:
        """Remove a member. Raises StaffRefused for a name that nobody has, and for the last supervisor."""
        with self._journal.transaction() as db:
            member = self._member(name)
            supervisors = [each for each in self.members() if each.role is Role.SUPERVISOR]
            if supervisors == [member]:
                raise StaffRefused("the last supervisor stays: add another one first")
            db.execute("DELETE FROM staff WHERE name = ?", (name,))
            self._network.forget(member.name)
            self._note(moment, "staff removed", member.name, member.role, by)
        self._journal.erase_from_log(erased=True)

    def set_pin(self, moment: Moment, name: str, pin: bytearray, *, by: str = "") -> None:
        """Set another PIN, which is overwritten, and forget wrong tries. Raises StaffRefused."""
        salt, cost, digest = self._stretched(pin)
        with self._journal.transaction() as db:
            member = self._member(name)
            db.execute(
                "UPDATE staff SET salt = ?, cost = ?, pin = ?, attempts = x'' WHERE name = ?",
                (salt, cost, digest, name),
            )
            self._network.forget(member.name)
            self._note(moment, "PIN set", member.name, member.role, by)
        self._journal.erase_from_log(erased=True)

    def check_pin(
        self, moment: Moment, name: str, pin: bytearray, *, peer: str = ""
    ) -> Staff | PinWrong | PinWaits:
        """Say who signs in; the PIN is overwritten.

        The try is on the disk before it is made, so that pulling the plug takes none back. A name that nobody
        has costs the same time, and all such names share one count.

        peer: where on the network the try comes from, empty for the appliance itself. Those are counted apart
        (`firmware.store.network_tries`), so that no stranger keeps anybody from the appliance's own screen.
        """
        with self._journal.transaction() as db:
            row = db.execute(
                "SELECT name, role, salt, cost, pin, attempts FROM staff WHERE name = ?", (name,)
            ).fetchone()
            known = row[0] if row else None
            if peer:
                counted = self._network.count(known or "", peer, moment)
            else:
                counted = self._count(known, row[5] if row else None, moment)
            if isinstance(counted, PinWaits):
                pin[:] = bytes(len(pin))
                return counted
        cost = msgspec.msgpack.decode(row[3], type=Argon2Cost) if row else self._cost
        with stretched(pin, row[2] if row else _NO_SALT, cost) as key, key.view() as found:
            right = hmac.compare_digest(found, row[4] if row else _NO_PIN)
        if not row or not right:
            if row:
                with self._journal.transaction():
                    self._note(moment, "wrong PIN", row[0], Role(row[1]), "")
            return PinWrong(max(0, FREE_TRIES - counted.failed_in_a_row))
        member = Staff(row[0], Role(row[1]))
        with self._journal.transaction():
            if peer:
                self._network.right(member.name, peer)
            else:
                self._keep(member.name, Attempts())
            self._note(moment, "PIN right", member.name, member.role, "")
        return member

    def _count(self, name: str | None, noted: bytes | None, moment: Moment) -> Attempts | PinWaits:
        """Count a try at the appliance before it is made. name: None for one that nobody has."""
        if noted is None:
            row = self._journal.database.execute("SELECT attempts FROM strangers").fetchone()
            noted = row[0] if row else b""
        attempts = msgspec.msgpack.decode(noted, type=Attempts) if noted else Attempts()
        if wait := wait_s(attempts, moment):
            return PinWaits(wait)
        attempts = Attempts(attempts.failed_in_a_row + 1, moment)
        self._keep(name, attempts)
        return attempts

    def _keep(self, name: str | None, attempts: Attempts) -> None:
        data = msgspec.msgpack.encode(attempts) if attempts.failed_in_a_row else b""
        if name is None:
            self._journal.database.execute(
                "INSERT OR REPLACE INTO strangers (id, attempts) VALUES (1, ?)", (data,)
            )
        else:
            self._journal.database.execute("UPDATE staff SET attempts = ? WHERE name = ?", (data, name))

    def _member(self, name: str) -> Staff:
        row = self._journal.database.execute(
            "SELECT name, role FROM staff WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise StaffRefused(f"nobody signs in as {name!r}: `aidpost staff list` names who does")
        return Staff(row[0], Role(row[1]))

    def _stretched(self, pin: bytearray) -> tuple[bytes, bytes, bytes]:
        try:
            check_strength(pin)
            salt = os.urandom(SALT_BYTES)
            with stretched(pin, salt, self._cost) as key, key.view() as value:
                return salt, msgspec.msgpack.encode(self._cost), bytes(value)
        finally:
            pin[:] = bytes(len(pin))

    def _note(self, moment: Moment, act: str, name: str, role: Role, by: str) -> None:
        self._journal.note(act, moment, name.encode(), {"name": name, "role": role.value, "by": by})


def check_strength(pin: bytearray) -> None:
    """Raise StaffRefused for a PIN that is short, no number, or what everybody tries first."""
    if not MIN_PIN_DIGITS <= len(pin) <= MAX_PIN_DIGITS or not pin.isdigit():
        raise StaffRefused(f"a PIN has at least {MIN_PIN_DIGITS} digits and nothing else: try again")
    steps = {after - before for before, after in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise StaffRefused(
            "a PIN is no row of equal or counting digits, which everybody tries first: try again"
        )


def words(refusal: PinWrong | PinWaits) -> str:
    """Return what to say of a PIN that did not open."""
    match refusal:
        case PinWaits(wait):
            return f"too many wrong PINs: the next try is possible in {math.ceil(wait)} s"
        case PinWrong(tries_left):
            return f"name and PIN do not go together; tries before a wait: {tries_left}"
