"""Who works at the dashboard, what each role may do there, and for how long somebody is signed in."""

from __future__ import annotations

from enum import Enum, unique

import msgspec

from trust.keys.stretching import Argon2Cost

IDLE_S = 30 * 60
"""Without a page opened for so long somebody is signed out; pages that renew themselves do not count."""
LIFE_S = 12 * 3600
"""After so long everybody signs in again (SP 800-63B-4 §2.2.3: at most 24 h)."""
ROTATE_S = 15 * 60
"""So often a session gets another cookie: one that was copied is worth nothing soon."""
GRACE_S = 30
"""The cookie before is good for so long, for the requests that were under way."""


@unique
class AccountRole(Enum):
    """What somebody is at the dashboard; an auditor is also who is responsible for data protection."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


@unique
class Right(Enum):
    """What a page needs of who opens it."""

    LOOK = "look"
    REVIEW = "review"
    """Read the audit log."""
    CHANGE = "change"
    ENDANGER = "endanger"
    """What cannot be taken back: destroy the keys of a device."""


RIGHTS: dict[AccountRole, frozenset[Right]] = {
    AccountRole.VIEWER: frozenset({Right.LOOK}),
    AccountRole.OPERATOR: frozenset({Right.LOOK, Right.CHANGE}),
    AccountRole.ADMINISTRATOR: frozenset(Right),
    AccountRole.AUDITOR: frozenset({Right.LOOK, Right.REVIEW}),
}


class Credential(msgspec.Struct, frozen=True):
    """What a password is checked with: Argon2id at this cost; totp: secret of a second factor, or None."""

    salt: bytes
    cost: Argon2Cost
    digest: bytes
    totp: bytes | None = None

    def __repr__(self) -> str:
        return "Credential(…)"


class Account(msgspec.Struct, frozen=True):
    """One account; second_factor: a code is asked for too. disabled_ns: since when it opens nothing."""

    name: str
    role: AccountRole
    second_factor: bool
    made_ns: int
    disabled_ns: int | None


class Person(msgspec.Struct, frozen=True):
    """Somebody who is signed in; source: "" for an account here, else the identity provider."""

    name: str
    role: AccountRole
    source: str = ""

    def __str__(self) -> str:
        """Return who it is, for the audit log."""
        told_by = f" of {self.source}" if self.source else ""
        return f"{self.role.value} {self.name}{told_by} at the dashboard"

    def may(self, right: Right) -> bool:
        """Whether the role allows it."""
        return right in RIGHTS[self.role]


class Session(msgspec.Struct, frozen=True):
    """One browser in which somebody is signed in; stale: it is time for another cookie."""

    person: Person
    used_ns: int
    stale: bool


class Waits(msgspec.Struct, frozen=True):
    """Nobody may try yet."""

    seconds: float
