"""What a filter can ask of a device: its fields, and how each compares with a value."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from itertools import takewhile
from types import MappingProxyType

from aggregator.fleet.terms import Facts, Health
from trust.state import DesiredResult

Test = Callable[[Facts], bool]
Text = Callable[[Facts], str | None]

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_DIGITS = re.compile(r"\d+|[a-z]+")
_RESULTS = ("none", *(result.value.replace(" ", "_") for result in DesiredResult))
_ORDERS: Mapping[str, Callable[[float], bool]] = MappingProxyType(
    {
        "<": lambda sign: sign < 0,
        "<=": lambda sign: sign <= 0,
        ">": lambda sign: sign > 0,
        ">=": lambda sign: sign >= 0,
    }
)


class Unusable(ValueError):
    """The field cannot be compared so; the message says what to write."""


def text(read: Text, operator: str, value: str) -> Test:
    """Compare a text, with * for any part of it; what has none equals nothing."""
    _equal_alone(operator)
    if "*" not in value:
        if operator == "!=":
            return lambda facts: read(facts) != value
        return lambda facts: read(facts) == value
    pattern, wanted = wildcard(value), operator != "!="

    def matches(facts: Facts) -> bool:
        found = read(facts)
        return (found is not None and pattern.fullmatch(found) is not None) is wanted

    return matches


def wildcard(value: str) -> re.Pattern[str]:
    """Return what a value with * in it matches."""
    return re.compile(".*".join(map(re.escape, value.split("*"))), re.DOTALL)


def word(read: Callable[[Facts], str], words: tuple[str, ...], operator: str, value: str) -> Test:
    """Compare one of a few words."""
    _equal_alone(operator)
    if value not in words:
        raise Unusable(f"write one of {', '.join(words)}")
    wanted = operator != "!="
    return lambda facts: (read(facts) == value) is wanted


def yes(read: Callable[[Facts], bool], operator: str, value: str) -> Test:
    """Compare a yes or no."""
    if operator not in ("=", "!=", ":") or value not in ("true", "false"):
        raise Unusable("write the field alone, NOT before it, or = true or = false after it")
    wanted = (value == "true") is (operator != "!=")
    return lambda facts: read(facts) is wanted


def duration(read: Callable[[Facts], float], operator: str, value: str) -> Test:
    """Compare a time span with one as 90m, 36h or 2d."""
    match = _DURATION.fullmatch(value)
    if operator not in _ORDERS or match is None:
        raise Unusable("write <, <=, > or >= and a time as 90m, 36h or 2d")
    holds, limit_s = _ORDERS[operator], int(match[1]) * _SECONDS[match[2]]
    return lambda facts: holds(read(facts) - limit_s)


def version(operator: str, value: str) -> Test:
    """Compare software versions number by number, so that 0.10 comes after 0.9."""
    if operator not in _ORDERS:
        return text(lambda facts: facts.version, operator, value)
    if not _DIGITS.search(value) or "*" in value:
        raise Unusable("write a version as 0.2.0; * goes with = and != alone")
    holds, limit = _ORDERS[operator], version_key(value)

    def compares(facts: Facts) -> bool:
        found = version_key(facts.version)
        return holds((found > limit) - (found < limit))

    return compares


@functools.lru_cache(maxsize=1024)  # a fleet has few versions
def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return what versions are ordered by: numbers by value; letters, as in 1.0rc1, before the release."""
    parts = _DIGITS.findall(text.partition("+")[0].lower())
    release = list(takewhile(str.isdigit, parts))
    further = parts[len(release) :]
    while release and release[-1] == "0":
        release.pop()  # 1.0 is 1
    key = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in (*release, *further)]
    return (*key, (1, 0, ""))


def groups(operator: str, value: str) -> Test:
    """Compare the groups that a device is in; any of them may match."""
    _equal_alone(operator)
    wanted = operator != "!="
    if "*" not in value:
        return lambda facts: (value in facts.groups) is wanted
    pattern = wildcard(value)
    return lambda facts: any(map(pattern.fullmatch, facts.groups)) is wanted


def label(read: Callable[[Facts], Mapping[str, str]], key: str, operator: str, value: str) -> Test:
    """Compare one label."""
    return text(lambda facts: read(facts).get(key), operator, value)


def has_label(read: Callable[[Facts], Mapping[str, str]], operator: str, value: str) -> Test:
    """Ask whether there is a label of this name, as in labels:ring."""
    if operator != ":":
        raise Unusable('write labels.NAME = "value", or labels:NAME for whether there is one')
    return lambda facts: value in read(facts)


def _equal_alone(operator: str) -> None:
    if operator not in ("=", "!=", ":"):
        raise Unusable(f"this field compares with = and != alone, not with {operator}")


FIELDS: Mapping[str, Callable[[str, str], Test]] = MappingProxyType(
    {
        "device": lambda operator, value: text(lambda facts: facts.device_id, operator, value),
        "site": lambda operator, value: text(lambda facts: facts.site, operator, value),
        "labels": lambda operator, value: has_label(lambda facts: facts.labels, operator, value),
        "site.labels": lambda operator, value: has_label(lambda facts: facts.site_labels, operator, value),
        "version": version,
        "group": groups,
        "connected": lambda operator, value: yes(lambda facts: facts.connected, operator, value),
        "drift": lambda operator, value: yes(lambda facts: facts.drift, operator, value),
        "silent_for": lambda operator, value: duration(lambda facts: facts.silent_s, operator, value),
        "health": lambda operator, value: word(
            lambda facts: facts.health.value, tuple(each.value for each in Health), operator, value
        ),
        "result": lambda operator, value: word(
            lambda facts: facts.result.replace(" ", "_") or "none", _RESULTS, operator, value
        ),
    }
)
"""By name; labels.NAME and site.labels.NAME come beside them."""

LABELS: Mapping[str, Callable[[Facts], Mapping[str, str]]] = MappingProxyType(
    {"labels": lambda facts: facts.labels, "site.labels": lambda facts: facts.site_labels}
)

STABLE = frozenset({"device", "site", "labels", "site.labels", "version"})
"""What changes by a person's act or an update alone, and can therefore make a group."""
