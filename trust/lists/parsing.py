"""From the rows of a file to a list, or to everything that has to be corrected first."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, replace

from trust.lists.appointments import parse_appointments
from trust.lists.faults import Fault, ListRefused
from trust.lists.households import parse_households
from trust.lists.sheet import Faults, nearest, plain
from trust.lists.table import Table
from trust.lists.terms import PlannedList

TITLE = "aidpost list"
_PARSERS = {"clinic": parse_appointments, "distribution": parse_households}


def parse(table: Table) -> PlannedList:
    """Return the list, its key made from its secret or from all it says.

    Raises ListRefused with every fault.
    """
    rows = table.rows
    title = rows[0] if rows else ()
    if not title or plain(title[0]) != TITLE:
        what = (
            'the first row should say "Aidpost list" and beside it "clinic" or "distribution": '
            "`aidpost list template` writes an example"
        )
        raise ListRefused([*table.faults, Fault(what, 1, 1)])
    kind = plain(title[1]) if len(title) > 1 else ""
    if kind not in _PARSERS:
        what = f"write what kind of list this is: {nearest(kind, _PARSERS)}"
        raise ListRefused([*table.faults, Fault(what, 1, 2)])
    faults = Faults()
    planned: PlannedList | None = _PARSERS[kind](rows, faults)
    if table.faults or faults or planned is None:
        # A cell that could not be read was taken as empty, which is no fault of its own.
        said = {(fault.row, fault.column) for fault in table.faults if fault.column is not None}
        more = [fault for fault in faults if (fault.row, fault.column) not in said]
        raise ListRefused([*table.faults, *more])
    return planned if planned.key else replace(planned, key=_own_key(planned))


def canonical(planned: PlannedList) -> bytes:
    """Return what the list says in one form, whatever file it came from; its key is no part of it."""
    said = {name: value for name, value in asdict(planned).items() if name != "key"}
    whole = {"kind": planned.purpose.value} | said
    return json.dumps(whole, default=str, ensure_ascii=False, separators=(",", ":")).encode()


def list_words(planned: PlannedList) -> str:
    """Return what two people compare to know that they mean the same list, as 3f2a-91bc-07de-5a10."""
    digest = hashlib.sha256(b"aidpost list words 1\0" + canonical(planned)).hexdigest()[:16]
    return "-".join(digest[start : start + 4] for start in range(0, 16, 4))


def _own_key(planned: PlannedList) -> bytes:
    # Equal wherever the same list is loaded, and as secret as the list itself; a changed list has another.
    return hmac.digest(b"aidpost list key 1", canonical(planned), "sha256")
