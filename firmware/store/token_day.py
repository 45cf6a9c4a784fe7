"""Of which day the visit tokens are: closing and loading anew give no number out twice."""

from __future__ import annotations

from datetime import date

from sqlite_utils import Database


def begin(db: Database, day: date) -> None:
    """Begin the numbers of this day, or go on with them; runs in the caller's transaction."""
    row = db.execute("SELECT day FROM token_day").fetchone()
    if row is None or row[0] != day.isoformat():
        if row is not None:
            forget(db)
        db.execute("INSERT OR REPLACE INTO token_day (id, day) VALUES (1, ?)", (day.isoformat(),))


def forget(db: Database) -> None:
    """Take all numbers for free; runs in the caller's transaction."""
    db.execute("DELETE FROM tokens")
