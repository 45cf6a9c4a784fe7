"""Statements over many identifiers, in parts that every database takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from aggregator.store.port import Database

PART = 512  # parameters of one statement; SQLite takes 32,766 and PostgreSQL 65,535
_WANTED = re.compile(r"\w+ IN \(\?\*\)")


def rows_of(
    db: Database, statement: str, wanted: Collection[str] | Collection[int] | None, *first: object
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a statement with one `column IN (?*)`, for these values or, with None, for all.

    first: the parameters that stand before it.
    """
    if wanted is None:
        yield from db.execute(_WANTED.sub("1 = 1", statement), first).fetchall()
        return
    rest: Iterator[str | int] = iter(sorted(wanted))
    while part := list(islice(rest, PART)):
        # Filled up to a power of two: a server plans each length of the list anew.
        part += part[-1:] * ((1 << (len(part) - 1).bit_length()) - len(part))
        marks = ", ".join("?" * len(part))
        yield from db.execute(statement.replace("(?*)", f"({marks})"), (*first, *part)).fetchall()
