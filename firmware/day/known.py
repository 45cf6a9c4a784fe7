"""What the store knows for the report beside the people served: the list, the ledger, stock, faults."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from firmware.day.figures import Known, Stock
from firmware.store.store import Store
from trust.consent import Purpose
from trust.lists.terms import Household
from trust.service import Workflow

_WORKFLOWS = {
    Purpose.CLINIC_CHECK_IN: Workflow.CLINIC,
    Purpose.DISTRIBUTION: Workflow.DISTRIBUTION,
}


def known(store: Store) -> Known:
    """Read it; for the store's thread. Raises StoreError."""
    head, acts = store.lists.loaded(), store.day.acts()
    workflow = head.workflow if head else _WORKFLOWS[store.purpose]
    planned, came, elsewhere, conflicts, left, unconfirmed = None, 0, 0, 0, None, 0
    stock: tuple[Stock, ...] = ()
    if head is not None:
        planned = head.entries
    if head is not None and workflow is Workflow.DISTRIBUTION:
        collected, counts = store.ledger.collected(), store.ledger.counts()
        came = len(collected)
        elsewhere = sum(desk != store.device_id for desk in collected.values())
        conflicts, left, unconfirmed = counts.conflicts, counts.exceptions_left, store.ledger.unconfirmed()
        stock = stock_of(store.lists.households(), store.ledger.collected_here())
    elif head is not None:
        came = store.day.attended()
    return Known(
        workflow=workflow,
        site=store.site,
        device_id=store.device_id,
        cycle=head.cycle if head else "",
        list_digest=head.digest.hex() if head else "",
        opened=store.day.opened() is not None,
        planned=planned,
        came=came,
        elsewhere=elsewhere,
        conflicts=conflicts,
        unconfirmed=unconfirmed,
        exceptions_left=left,
        stock=stock,
        faults={part: count for (act, part), count in sorted(acts.items()) if act == "device fault"},
        complaints={about: count for (act, about), count in sorted(acts.items()) if act == "complaint"},
        waiting=store.counts().waiting,
        resemblances=store.day.resemblances(),
    )


def stock_of(households: list[Household], handed_over: list[str]) -> tuple[Stock, ...]:
    """Return for each item what is due to all, and what was handed over, as exact decimal numbers."""
    times = Counter(handed_over)
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for household in households:
        for ration in household.rations:
            due, issued = sums.get((ration.item, ration.unit), (Decimal(0), Decimal(0)))
            amount = Decimal(ration.amount)
            sums[ration.item, ration.unit] = due + amount, issued + amount * times[household.number]
    return tuple(
        Stock(item, unit, f"{due:f}", f"{issued:f}") for (item, unit), (due, issued) in sorted(sums.items())
    )
