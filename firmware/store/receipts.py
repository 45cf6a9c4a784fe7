"""The aggregator's signed receipts; runs in the caller's transaction."""

from __future__ import annotations

import hmac

from sqlite_utils import Database

from firmware.records import SignedReceipt
from trust.chain import Receipt

_DAY_NS = 86_400 * 1_000_000_000


def holds(database: Database, device_id: str, epoch: bytes, receipt: SignedReceipt) -> bool:
    """Whether it is by the pinned key, or by the first that comes, and about the chain that is here."""
    (pinned,) = database.execute("SELECT receipt_key FROM appliance").fetchone()
    if pinned and not hmac.compare_digest(pinned, receipt.receipt_key):
        return False
    row = database.execute("SELECT link FROM records WHERE seq = ?", (receipt.seq,)).fetchone()
    if row is None:
        return False
    signed = Receipt(device_id, epoch, receipt.seq, row[0], receipt.server_ns)
    return signed.holds(receipt.receipt_key, receipt.signature)


def keep(database: Database, receipt: SignedReceipt) -> None:
    """Keep a receipt that holds, in place of an earlier one of the same day: each covers all before it."""
    database.execute("UPDATE appliance SET receipt_key = ? WHERE receipt_key = x''", (receipt.receipt_key,))
    database.execute(
        "DELETE FROM receipts WHERE seq < ? AND server_ns / ? = ?",
        (receipt.seq, _DAY_NS, receipt.server_ns // _DAY_NS),
    )
    database.execute(
        "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?)",
        (receipt.seq, receipt.server_ns, receipt.signature, receipt.receipt_key),
    )


def read(database: Database) -> list[SignedReceipt]:
    """Return the receipts that are kept, in order."""
    rows = database.execute("SELECT seq, server_ns, signature, receipt_key FROM receipts ORDER BY seq")
    return [SignedReceipt(*row) for row in rows]
