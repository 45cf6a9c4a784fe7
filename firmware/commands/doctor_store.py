"""What `aidpost doctor` says of the keys, the store, what was set aside, and the lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from firmware import lease
from firmware.clock import Clock
from firmware.commands.common import ask_pin
from firmware.commands.doctor_site import examine_site
from firmware.commands.finding import Finding, library
from firmware.config import Config
from firmware.guard.file import WARNING
from firmware.guard.opening import probe_guard
from firmware.lease import LeaseState
from firmware.opening import open_keys, open_store, store_settings
from firmware.store import quarantine
from firmware.store.audit import AuditBroken
from firmware.store.errors import StoreError
from firmware.store.store import Store
from trust.keys.errors import GuardError
from trust.keys.guard import GuardKind


def examine_store(config: Config) -> Iterator[Finding]:
    """Open keys and store once; a fault of either is a finding. Makes nothing that is not there yet.

    The site is asked with the same keys, about the list that the store has.
    """
    path = store_settings(config).path
    for note in quarantine.notes(path):
        yield Finding("damaged store", note.folder, "", False, f"{note}; {quarantine.KEEP_WORDS}")
    kind = config.keys.guard
    if not path.exists():
        later = "will be made when the appliance first starts"
        try:
            probe_guard(config.keys.settings())
            yield Finding("keys", f"guard {kind.value}", "", True, later)
        except GuardError as error:
            yield Finding("keys", f"guard {kind.value}", "", False, str(error))
        yield Finding("store", str(path), "", True, later)
        return
    try:
        guard = open_keys(config, ask_pin)
    except GuardError as error:
        yield Finding("keys", f"guard {kind.value}", "", False, str(error))
        return
    with guard:
        if kind is GuardKind.FILE:
            yield Finding("keys", "guard file, for development", "", None, WARNING)
        else:
            yield Finding("keys", f"guard {kind.value}", "", True)
        try:
            with closing(open_store(config, guard)) as store:
                yield _store(store)
                yield _lease(config, store)
                yield from _shared(config, store)
                cycle = store.ledger.site_cycle()
        except StoreError as error:
            yield Finding("store", "", "", False, str(error))
            return
        yield from examine_site(config, guard, cycle)


def _store(store: Store) -> Finding:
    counts, audit = store.counts(), store.verify_audit()
    waiting = ", ".join(f"{count} {lane.value}" for lane, count in store.outbox.lanes().items()) or "none"
    found = (
        f"{counts.references} {'entry' if counts.references == 1 else 'entries'}, "
        f"{counts.waiting} of {counts.written} events waiting ({waiting})"
    )
    if isinstance(audit, AuditBroken):
        advice = f"the audit log does not hold ({audit}): tell the data-protection officer"
        return Finding("store", found, "", False, advice)
    if (stopped := store.space.registration_stopped(Clock().now())) is not None:
        return Finding("store", found, "", False, stopped)
    return Finding("store", f"{found}, {audit} audit rows, encrypted", library("sqlcipher3"), True)


def _shared(config: Config, store: Store) -> Iterator[Finding]:
    if config.gallery is None:
        return
    roster = (held := store.shared.held()).roster
    if roster is None:
        advice = "no roster has come: let the custodian admit this appliance (`aidpost gallery card`)"
        yield Finding("shared gallery", "none yet", "", None, advice)
        return
    found = f"version {held.version}, key {roster.epoch}, {len(roster.members)} appliances"
    if roster.member_of(config.device.id) is None:
        yield Finding("shared gallery", found, "", False, "this appliance is not a member: ask the custodian")
        return
    yield Finding("shared gallery", found, "", True)


def _lease(config: Config, store: Store) -> Finding:
    noted = store.lease()
    if config.lease is None:
        return Finding("lease", "none: the keys stay however long the aggregator is not heard of", "", None)
    limits = config.lease.limits()
    now = Clock().now()
    use = lease.used(noted, now) if noted else lease.renewed(now)
    match lease.state(use, limits):
        case LeaseState.RUNNING:
            return Finding("lease", f"{lease.left(use, limits)} left", "", True)
        case LeaseState.LAPSING:
            advice = "bring the appliance to where it reaches its aggregator: its keys will be destroyed"
            return Finding("lease", f"only {lease.left(use, limits)} left", "", False, advice)
        case LeaseState.LAPSED:
            return Finding("lease", "lapsed", "", False, "its keys are destroyed at the next start")
