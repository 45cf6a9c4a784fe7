"""Devices' keys and certificates, and people; every function runs inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, unique
from typing import TypeAlias

import msgspec

from aggregator.holdings import Enrolment, EnrolmentState
from aggregator.records import Hello
from aggregator.store import administration, claims, streams
from aggregator.store.port import Database
from trust.certificates import DEVICE_LIFE
from trust.checking import Peer, Request, key_words, public_key_der
from trust.names import DeviceName, PersonName, Role

DAY_NS = 24 * 3600 * 1_000_000_000
LIFE_NS = int(DEVICE_LIFE.total_seconds()) * 1_000_000_000
MAX_CERTIFICATES_A_DAY = (
    20  # a lost answer is asked for again; more is a defect, or somebody who fills the store
)
MAX_WAITING = 1000  # new devices at a time; more than an operator can compare keys of in days
COLLECT_NS = DAY_NS
"""How long after the approval the certificate can be collected, again too if the answer got lost."""


@unique
class Standing(Enum):
    """What a certificate is worth now."""

    GOOD = "good"
    EXPIRED = "expired"
    HELD = "on hold"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Certificate(msgspec.Struct, frozen=True):
    """An issued certificate: serial, end of its life in nanoseconds since 1970, and its DER."""

    serial: int
    ends_ns: int
    der: bytes


Issue: TypeAlias = Callable[[Request], Certificate]


class JoinPending(msgspec.Struct, frozen=True):
    """An operator has to decide.

    first_time: it is the first request of that kind. parted: the device's certificates were good until now,
    and are no more.
    """

    first_time: bool
    parted: bool = False


class JoinRefused(msgspec.Struct, frozen=True):
    """The device may not join so; why: for the device and the log.

    reason: where the claim code is to blame, as `enrolment.proto` names it; else empty.
    """

    why: str
    reason: str = ""


JoinAnswer: TypeAlias = Certificate | JoinPending | JoinRefused


class Worth(msgspec.Struct, frozen=True):
    """What a certificate is worth now, and when it ends (nanoseconds since 1970; 0 for an unknown one)."""

    standing: Standing
    ends_ns: int


class Barred(msgspec.Struct, frozen=True):
    """The certificate is not, or no longer, good."""

    standing: Standing


class Copied(msgspec.Struct, frozen=True):
    """The hello's generation was used before: there are two of this device. It is on hold now."""


def join(db: Database, request: Request, digest: bytes | None, now_ns: int, issue: Issue) -> JoinAnswer:
    """Answer a request to join; digest: of the claim's secret, None from a device that joins again.

    What an operator approved is a key, a name and a site together. A key that asks for another site brings a
    claim code of that site which nobody used before, and waits for its approval anew.
    """
    device, key = request.named, public_key_der(request.public_key)
    if not isinstance(device, DeviceName):
        return JoinRefused("the request is not a device's")
    row = db.execute(
        """SELECT enrolment, state, collect_until_ns, site FROM enrolments
           WHERE device_id = ? AND public_key = ?""",
        (device.device_id, key),
    ).fetchone()
    fresh: int | None = None
    if digest is not None:
        match claims.look_up(db, digest, device, key, now_ns):
            case claims.Refused(why, reason):
                return JoinRefused(why, reason)
            case claims.Fresh(fresh):
                pass
            case claims.UsedByItself():
                pass  # the same request again
    if row is None:
        if fresh is None:
            return JoinRefused("this device has not joined before: it needs a claim code")
        if _waiting(db) >= MAX_WAITING:
            return JoinRefused(
                f"{MAX_WAITING} devices wait for approval: let the operator approve or revoke some first"
            )
        claims.use(db, fresh, device, key)
        _ask(db, device, key, fresh, now_ns, "join requested")
        return JoinPending(first_time=True)
    enrolment, state, collect_until_ns, site = row
    if fresh is not None:
        claims.use(db, fresh, device, key)
    elif site != device.site:
        return JoinRefused(
            f"this device joined at the site {site}: correct `device.site`, or join with a claim code "
            "for the new site"
        )
    match EnrolmentState(state):
        case EnrolmentState.APPROVED if collect_until_ns > now_ns and fresh is None:
            return _issued(db, enrolment, request, issue, now_ns)
        case EnrolmentState.PENDING | EnrolmentState.HELD if fresh is None:
            return JoinPending(first_time=False)
        case EnrolmentState.REVOKED | EnrolmentState.REPLACED if fresh is None:
            return JoinRefused(f"this device's key was {state}: it needs a new claim code")
        case known:
            parted = False
            if known is not EnrolmentState.APPROVED or site != device.site:
                # What was shut out stays so until the approval, and what moved is no more of its old site:
                # their certificates must not come alive with it.
                deleted = db.execute("DELETE FROM certificates WHERE enrolment = ?", (enrolment,)).rowcount
                parted = deleted > 0 and known in (EnrolmentState.APPROVED, EnrolmentState.PENDING)
                if parted:
                    streams.shut_out(db, device.device_id)
            _ask(db, device, key, fresh, now_ns, "join requested again")
            return JoinPending(first_time=True, parted=parted)


def renew(
    db: Database, serial: int, request: Request, now_ns: int, issue: Issue
) -> Certificate | Barred | JoinRefused:
    """Give the holder of a good certificate the next one, for the same name and key."""
    if (standing := device_standing(db, serial, now_ns)) is not Standing.GOOD:
        return Barred(standing)
    enrolment, device_id, site, key = db.execute(
        """SELECT enrolment, device_id, site, public_key FROM certificates JOIN enrolments USING (enrolment)
           WHERE serial = ?""",
        (_serial(serial),),
    ).fetchone()
    if request.named != DeviceName(device_id, site) or public_key_der(request.public_key) != key:
        return JoinRefused("the request is for another device or key than the certificate")
    return _issued(db, enrolment, request, issue, now_ns)


def approve(db: Database, device_id: str, words: str, now_ns: int, actor: str) -> bool:
    """Let the key with these words be the device's; returns whether there was one that waits or is held."""
    waiting = db.execute(
        "SELECT enrolment, public_key FROM enrolments WHERE device_id = ? AND state IN (?, ?)",
        (device_id, EnrolmentState.PENDING.value, EnrolmentState.HELD.value),
    ).fetchall()
    meant = [enrolment for enrolment, key in waiting if key_words(key) == words]
    if not meant:
        return False
    db.execute(
        "UPDATE enrolments SET state = ? WHERE device_id = ? AND enrolment != ? AND state != ?",
        (EnrolmentState.REPLACED.value, device_id, meant[0], EnrolmentState.REVOKED.value),
    )
    # The counter begins anew: whoever approves has decided which of two is the device.
    db.execute(
        "UPDATE enrolments SET state = ?, collect_until_ns = ?, generation = 0 WHERE enrolment = ?",
        (EnrolmentState.APPROVED.value, now_ns + COLLECT_NS, meant[0]),
    )
    streams.shut_out(db, device_id)
    administration.append(db, now_ns, actor, "device approved", f"{device_id} {words}")
    return True


def revoke(db: Database, device_id: str, now_ns: int, actor: str) -> bool:
    """Shut all keys of the device out; returns whether there was one."""
    changed = db.execute(
        "UPDATE enrolments SET state = ? WHERE device_id = ? AND state != ?",
        (EnrolmentState.REVOKED.value, device_id, EnrolmentState.REVOKED.value),
    ).rowcount
    if changed:
        streams.shut_out(db, device_id)
        administration.append(db, now_ns, actor, "device revoked", device_id)
    return changed > 0


def worth(db: Database, peer: Peer, now_ns: int) -> Worth:
    """Return what a caller's certificate is worth: with one statement, since every call waits for it."""
    if isinstance(peer.named, PersonName):
        return _worth_of_person(db, peer.named, peer.serial, now_ns)
    return _worth_of_device(db, peer.serial, now_ns)


def device_standing(db: Database, serial: int, now_ns: int) -> Standing:
    """Return what a device's certificate is worth."""
    return _worth_of_device(db, serial, now_ns).standing


def _worth_of_device(db: Database, serial: int, now_ns: int) -> Worth:
    row = db.execute(
        "SELECT state, ends_ns FROM certificates JOIN enrolments USING (enrolment) WHERE serial = ?",
        (_serial(serial),),
    ).fetchone()
    if row is None:
        return Worth(Standing.UNKNOWN, 0)
    state, ends_ns = row
    match EnrolmentState(state):
        case EnrolmentState.REVOKED | EnrolmentState.REPLACED:
            standing = Standing.REVOKED
        case EnrolmentState.HELD:
            standing = Standing.HELD
        case EnrolmentState.APPROVED | EnrolmentState.PENDING:
            # Pending: it joined again though its certificate is good; that one goes on until its end.
            standing = Standing.EXPIRED if ends_ns <= now_ns else Standing.GOOD
    return Worth(standing, ends_ns)


def _worth_of_person(db: Database, person: PersonName, serial: int, now_ns: int) -> Worth:
    row = db.execute(
        "SELECT role, serial, ends_ns, removed_ns FROM people WHERE name = ?", (person.name,)
    ).fetchone()
    if row is None:
        return Worth(Standing.UNKNOWN, 0)
    role, good_serial, ends_ns, removed_ns = row
    if removed_ns is not None or good_serial != _serial(serial) or role != person.role.value:
        return Worth(Standing.REVOKED, ends_ns)
    return Worth(Standing.EXPIRED if ends_ns <= now_ns else Standing.GOOD, ends_ns)


def check_hello(db: Database, serial: int, hello: Hello, now_ns: int) -> Barred | Copied | None:
    """Take the generation of a hello; returns why the device may not go on, None when it may."""
    if (standing := device_standing(db, serial, now_ns)) is not Standing.GOOD:
        return Barred(standing)
    enrolment, generation, instance = db.execute(
        """SELECT enrolment, generation, instance FROM certificates JOIN enrolments USING (enrolment)
           WHERE serial = ?""",
        (_serial(serial),),
    ).fetchone()
    if hello.generation > generation:
        db.execute(
            "UPDATE enrolments SET generation = ?, instance = ? WHERE enrolment = ?",
            (hello.generation, hello.instance, enrolment),
        )
        return None
    if instance == hello.instance:
        return None  # the same process: its older hello was under way for longer
    db.execute("UPDATE enrolments SET state = ? WHERE enrolment = ?", (EnrolmentState.HELD.value, enrolment))
    streams.shut_out(db, hello.device_id)
    administration.append(db, now_ns, "aggregator", "copy seen, device on hold", hello.device_id)
    return Copied()


def add_person(db: Database, person: PersonName, certificate: Certificate, now_ns: int, actor: str) -> None:
    """Give a person a role; the certificate is the only good one from now on."""
    db.execute(
        """INSERT INTO people VALUES (:name, :role, :serial, :ends, NULL)
           ON CONFLICT (name) DO UPDATE
               SET role = :role, serial = :serial, ends_ns = :ends, removed_ns = NULL""",
        {
            "name": person.name,
            "role": person.role.value,
            "serial": _serial(certificate.serial),
            "ends": certificate.ends_ns,
        },
    )
    administration.append(db, now_ns, actor, "person added", f"{person.role.value} {person.name}")


def remove_person(db: Database, name: str, now_ns: int, actor: str) -> bool:
    """Shut a person out; returns whether there was one."""
    changed = db.execute(
        "UPDATE people SET removed_ns = ? WHERE name = ? AND removed_ns IS NULL", (now_ns, name)
    ).rowcount
    if changed:
        administration.append(db, now_ns, actor, "person removed", name)
    return changed > 0


def has_administrator(db: Database) -> bool:
    """Tell whether anybody may administrate."""
    role = Role.ADMINISTRATOR.value
    return bool(db.execute("SELECT 1 FROM people WHERE role = ? AND removed_ns IS NULL", (role,)).fetchone())


def enrolments(
    db: Database, states: Collection[EnrolmentState] = tuple(EnrolmentState)
) -> tuple[Enrolment, ...]:
    """Return the keys that asked to join and are in one of these states, by device and time."""
    marks = ", ".join("?" * len(states))
    rows = db.execute(
        f"""SELECT device_id, site, state, public_key, requested_ns,
                (SELECT max(ends_ns) FROM certificates WHERE certificates.enrolment = enrolments.enrolment)
            FROM enrolments WHERE state IN ({marks}) ORDER BY device_id, requested_ns""",  # noqa: S608
        [state.value for state in states],
    )
    return tuple(
        Enrolment(device_id, site, EnrolmentState(state), key_words(key), requested_ns, ends_ns)
        for device_id, site, state, key, requested_ns, ends_ns in rows
    )


def barred(db: Database) -> dict[str, EnrolmentState]:
    """Return the devices of which no key is approved, and why: on hold, waiting, or shut out."""
    keys: dict[str, set[EnrolmentState]] = {}
    for device_id, state in db.execute(
        """SELECT DISTINCT device_id, state FROM enrolments AS each WHERE state <> :approved AND NOT EXISTS (
               SELECT 1 FROM enrolments WHERE device_id = each.device_id AND state = :approved)""",
        {"approved": EnrolmentState.APPROVED.value},
    ):
        keys.setdefault(device_id, set()).add(EnrolmentState(state))
    order = (EnrolmentState.HELD, EnrolmentState.PENDING, EnrolmentState.REVOKED, EnrolmentState.REPLACED)
    return {
        device_id: next(state for state in order if state in states) for device_id, states in keys.items()
    }


def _ask(db: Database, device: DeviceName, key: bytes, claim: int | None, now_ns: int, act: str) -> None:
    db.execute(
        """INSERT INTO enrolments (device_id, site, public_key, claim, state, requested_ns)
           VALUES (:device_id, :site, :key, :claim, :state, :now)
           ON CONFLICT (device_id, public_key) DO UPDATE SET site = :site,
               claim = coalesce(:claim, enrolments.claim), state = :state,
               requested_ns = :now""",
        {
            "device_id": device.device_id,
            "site": device.site,
            "key": key,
            "claim": claim,
            "state": EnrolmentState.PENDING.value,
            "now": now_ns,
        },
    )
    administration.append(db, now_ns, f"device {device.device_id}", act, f"{device.site} {key_words(key)}")


def _waiting(db: Database) -> int:
    pending = EnrolmentState.PENDING.value
    (count,) = db.execute("SELECT count(*) FROM enrolments WHERE state = ?", (pending,)).fetchone()
    return int(count)


def _issued(
    db: Database, enrolment: int, request: Request, issue: Issue, now_ns: int
) -> Certificate | JoinRefused:
    """Issue for what an operator approved, not for what the request says of itself."""
    approved = DeviceName(
        *db.execute("SELECT device_id, site FROM enrolments WHERE enrolment = ?", (enrolment,)).fetchone()
    )
    (last_day,) = db.execute(
        "SELECT count(*) FROM certificates WHERE enrolment = ? AND ends_ns > ?",
        (enrolment, now_ns + LIFE_NS - DAY_NS),
    ).fetchone()
    if last_day >= MAX_CERTIFICATES_A_DAY:
        return JoinRefused("this device asked for too many certificates in a day: try again tomorrow")
    certificate = issue(Request(approved, request.public_key))
    db.execute("DELETE FROM certificates WHERE enrolment = ? AND ends_ns <= ?", (enrolment, now_ns))
    db.execute(
        "INSERT INTO certificates VALUES (?, ?, ?)",
        (_serial(certificate.serial), enrolment, certificate.ends_ns),
    )
    administration.append(
        db, now_ns, "aggregator", "certificate issued", f"{approved.device_id} {certificate.serial:x}"
    )
    return certificate


def _serial(serial: int) -> bytes:
    """Twenty bytes: a serial number is longer than SQLite's integers (RFC 5280, 4.1.2.2)."""
    return serial.to_bytes(20, "big")
