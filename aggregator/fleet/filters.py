"""The filter language, in the manner of AIP-160: `site = "kakuma-1" AND labels.ring = "early" AND connected`.

A filter becomes a small tree, and the tree a function over `Facts`. It is evaluated in memory and not in
SQL: whether a device is connected stands in no table, SQLite and PostgreSQL share no order of versions, and
so one meaning serves lists and groups alike.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from aggregator.fleet.filter_fields import FIELDS, LABELS, STABLE, Test, Unusable, groups, label

if TYPE_CHECKING:
    from lark import Lark

MAX_LENGTH = 1000
MAX_PARTS = 150  # of brackets, NOTs and comparisons; the tree is walked by recursion

_GRAMMAR = r"""
?start: either
?either: term | every | any
every: term ("AND"i term)+
any: term ("OR"i term)+
?term: not | "(" either ")" | comparison
not: ("NOT"i | "-") term
comparison: PATH (OPERATOR _value)?
_value: WORD | QUOTED
PATH: /(?!(?:and|or|not)\b)[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*/i
OPERATOR: "<=" | ">=" | "!=" | "=" | "<" | ">" | ":"
WORD: /[A-Za-z0-9*][A-Za-z0-9_.*+-]*/
QUOTED: /"(\\["\\]|[^"\\])*"/ | /'(\\['\\]|[^'\\])*'/
%ignore /\s+/
"""


class FilterRefused(ValueError):
    """The filter cannot be meant; the message names the place, counted from 1, and what to write."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against one value; field: without the label's name, which is `key`."""

    field: str
    key: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them holds."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    term: Node


Node: TypeAlias = "Comparison | Every | Either | Not"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood; tree: None for the empty one, which every device matches."""

    text: str
    tree: Node | None
    holds: Test

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it asks for, by name."""
        return frozenset(each.field for each in _comparisons(self.tree))

    @property
    def groups(self) -> frozenset[str]:
        """The groups that it asks for, as it writes them: in full or with *."""
        return frozenset(each.value for each in _comparisons(self.tree) if each.field == "group")


@functools.lru_cache(maxsize=512)  # groups are tried for every device again and again
def parse(text: str) -> Filter:
    """Return what the filter means; raises FilterRefused."""
    if len(text) > MAX_LENGTH:
        raise FilterRefused(
            f"the filter is longer than {MAX_LENGTH} characters: put devices in a group first"
        )
    if not text.strip():
        return Filter(text, None, lambda _facts: True)
    tree, places = _parsed(text)
    tests = {id(comparison): _test(comparison, place) for comparison, place in places}
    return Filter(text, tree, _compiled(tree, tests))


def parse_stable(text: str) -> Filter:
    """Return what a group's filter means: one over what does not change by itself; raises FilterRefused."""
    parsed = parse(text)
    if parsed.tree is None:
        raise FilterRefused('a group needs a filter, as labels.ring = "early"; all devices are the fleet')
    if moving := sorted(parsed.fields - STABLE):
        raise FilterRefused(
            f"{moving[0]} changes by itself, so a group cannot rest on it: use {', '.join(sorted(STABLE))}"
        )
    return parsed


def _compiled(node: Node, tests: dict[int, Test]) -> Test:
    match node:
        case Comparison():
            return tests[id(node)]
        case Not():
            inner = _compiled(node.term, tests)
            return lambda facts: not inner(facts)
        case Every() | Either():
            join = _both if isinstance(node, Every) else _either
            return functools.reduce(join, (_compiled(term, tests) for term in node.terms))
        case _:
            assert_never(node)


def _both(first: Test, second: Test) -> Test:
    return lambda facts: first(facts) and second(facts)


def _either(first: Test, second: Test) -> Test:
    return lambda facts: first(facts) or second(facts)


def _test(comparison: Comparison, place: int) -> Test:
    try:
        if comparison.key:
            return label(LABELS[comparison.field], comparison.key, comparison.operator, comparison.value)
        if comparison.field == "group":
            return groups(comparison.operator, comparison.value)
        return FIELDS[comparison.field](comparison.operator, comparison.value)
    except Unusable as error:
        raise FilterRefused(f"at {place}, {comparison.field}: {error}") from error


def _comparisons(node: Node | None) -> list[Comparison]:
    match node:
        case None:
            return []
        case Comparison():
            return [node]
        case Not():
            return _comparisons(node.term)
        case Every() | Either():
            return [each for term in node.terms for each in _comparisons(term)]
        case _:
            assert_never(node)


def _parsed(text: str) -> tuple[Node, list[tuple[Comparison, int]]]:
    from lark.exceptions import UnexpectedInput

    places: list[tuple[Comparison, int]] = []
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise FilterRefused(_explained(text, error)) from error
    if sum(1 for _ in tree.iter_subtrees()) > MAX_PARTS:
        raise FilterRefused(f"the filter has more than {MAX_PARTS} parts: put devices in a group first")
    return _grown(tree, places), places


@functools.cache
def _grammar() -> Lark:
    from lark import Lark  # 0.1 s to import, so when the first filter comes

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", propagate_positions=True)


def _grown(tree: Any, places: list[tuple[Comparison, int]]) -> Node:
    """Return lark's tree as one of our own, and note where each comparison stands."""
    match str(tree.data):
        case "every":
            return Every(tuple(_grown(child, places) for child in tree.children))
        case "any":
            return Either(tuple(_grown(child, places) for child in tree.children))
        case "not":
            return Not(_grown(tree.children[0], places))
        case _:
            comparison = _comparison(tree.children)
            places.append((comparison, tree.meta.start_pos + 1))
            return comparison


def _comparison(tokens: list[Any]) -> Comparison:
    path, place = str(tokens[0]), tokens[0].start_pos + 1
    field, key = path, ""
    for labels in sorted(LABELS, key=len, reverse=True):
        if path.startswith(labels + "."):
            field, key = labels, path[len(labels) + 1 :]
    if field not in FIELDS:
        raise FilterRefused(
            f"at {place}, there is no field {path}: write one of {', '.join(FIELDS)}, labels.NAME"
        )
    if len(tokens) == 1:
        if field not in ("connected", "drift"):
            raise FilterRefused(f'at {place}, {path} needs a value: write {path} = "..."')
        return Comparison(field, key, "=", "true")
    value = str(tokens[2])
    if tokens[2].type == "QUOTED":
        value = value[1:-1].replace(f"\\{value[0]}", value[0]).replace("\\\\", "\\")
    return Comparison(field, key, str(tokens[1]), value)


def _explained(text: str, error: Any) -> str:
    """Return where the filter stops making sense, and what to write there."""
    if getattr(getattr(error, "token", None), "type", "") == "$END":
        return f"at {len(text) + 1}, the filter ends too early: write a comparison, a value or a bracket"
    place = error.pos_in_stream
    before, found = text[:place].split(), text[place:].split(maxsplit=1)[0]
    if found.upper() in ("AND", "OR"):
        if not before or before[-1].upper() in ("AND", "OR", "NOT") or before[-1].endswith("("):
            return f"at {place + 1}, {found} joins two comparisons: write one before it"
        return f"at {place + 1}, AND and OR stand side by side: put brackets around what belongs together"
    if found[0] in "\"'":
        return f"at {place + 1}, a quotation mark is not closed, or an operator is missing before it"
    expected = set(getattr(error, "accepts", None) or getattr(error, "allowed", None) or ())
    if expected & {"OPERATOR", "AND", "OR"}:
        return (
            f"at {place + 1}, {found!r} is not expected: write AND, OR or one of = != < <= > >= : before it"
        )
    return f'at {place + 1}, {found!r} is not expected: write a comparison, as site = "kakuma-1"'
