"""Which bytes of a file a request asks for (RFC 9110, 14): the whole, or one range of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(r"^range:[ \t]*(.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_ONE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)", re.IGNORECASE)
_MOST_DIGITS = 18  # longer ones are beyond the end of any file, and Python reads none of 4,300


class RangeRefused(Exception):
    """Nothing of what is asked for is there, or it is no single range (416)."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """From start to before end. part: whether a range was asked for, which is answered as one (206)."""

    start: int
    end: int
    part: bool


def asked_for(head: str, size: int) -> Bytes:
    """Return what a GET with these lines asks for. Raises RangeRefused.

    Of several ranges none is sent: the whole in their place, as the RFC allows too, would be fetched through
    the site's link for a client that RAUC is not.
    """
    fields = _FIELD.findall(head)
    if not fields or (len(fields) == 1 and not fields[0].lower().startswith("bytes=")):
        return Bytes(0, size, part=False)  # a unit that is not known is as if it were not there
    one = _ONE.fullmatch(fields[0]) if len(fields) == 1 else None
    if one is None or not (one[1] or one[2]):
        raise RangeRefused
    if one[1]:
        start, end = _number(one[1]), _number(one[2]) + 1 if one[2] else size
    else:
        start, end = max(size - _number(one[2]), 0), size  # so many at the end
    end = min(end, size)
    if start >= end:  # beyond the end, or backwards
        raise RangeRefused
    return Bytes(start, end, part=True)


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
