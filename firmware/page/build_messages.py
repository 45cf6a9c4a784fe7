"""Brings the catalogs up to date with the sentences in the code: ``python -m firmware.page.build_messages``.

New sentences enter each .po file without a translation, and those that nobody says any more leave it. --check
writes nothing: it names what is missing or does not fit, for `make check`.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from firmware.page.translate import DOMAIN, LANGUAGES, SOURCE, path_of

ROOT = Path(__file__).parents[2]
MARKS = {"say": None, "say_many": (1, 2), "in_context": ((1, "c"), 2)}
SPEAKS = "from firmware.workflow.screen import"
"""Only files that import it from there: other modules have functions named `say` too."""
_WIDTH = 100
_NEVER = datetime(2025, 1, 1, tzinfo=UTC)  # a date of the day would change every file at every run
_HEADER = """\
# Aidpost: what its screens say. Licence: Apache-2.0, as the project's.
# Translated by the project, not yet reviewed by a native speaker; see docs/languages.md to correct it."""

Key: TypeAlias = tuple[str, tuple[str, ...]]


def extract() -> Catalog:
    """Return all sentences of the code."""
    said = Catalog(project="Aidpost", creation_date=_NEVER, charset="utf-8")
    for path in sorted(ROOT.glob("firmware/**/*.py")):
        if SPEAKS not in path.read_text():
            continue
        name = path.relative_to(ROOT).as_posix()
        for _, message, comments, context in extract_from_file("python", path, MARKS, ("Translators:",)):
            said.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    return said


def read(language: str) -> Catalog:
    """Return a catalog, an empty one for a new language."""
    path = path_of(language)
    if not path.exists():
        return Catalog(
            language,
            DOMAIN,
            _HEADER,
            project="Aidpost",
            version="0.1",
            creation_date=_NEVER,
            revision_date=_NEVER,
            last_translator="the project",
            language_team="the project",
            msgid_bugs_address="see docs/languages.md",
            fuzzy=False,
        )
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def update(language: str, said: Catalog) -> None:
    """Write the catalog of a language with the sentences of now."""
    catalog = read(language)
    catalog.update(said, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=_WIDTH, sort_by_file=True, include_lineno=False, ignore_obsolete=True)


def faults(language: str, said: Catalog) -> Iterator[str]:
    """Yield what keeps the catalog of a language from saying all that the screens say."""
    catalog = read(language)
    theirs, ours = {_key(message): message for message in catalog if message.id}, _keys(said)
    for key in ours - theirs.keys():
        yield f"{key[1][0]!r} is not in the catalog"
    for key in theirs.keys() - ours:
        yield f"{key[1][0]!r} is said no more"
    for key in sorted(ours & theirs.keys(), key=str):
        yield from _faults_of(theirs[key], catalog.num_plurals)


def _faults_of(message: Message, plurals: int) -> Iterator[str]:
    originals, forms = _several(message.id), _several(message.string)
    if not forms or not all(forms) or (message.pluralizable and len(forms) != plurals):
        yield f"{originals[0]!r} is not translated"
        return
    if message.fuzzy:
        yield f"{originals[0]!r} is marked as fuzzy"
    wanted = _names(originals[-1])
    for form in forms:
        # "One try" and "two tries" are words in some languages: a form that counts may leave the number out.
        missing = wanted - _names(form) - ({"number"} if message.pluralizable else set())
        if missing or _names(form) - wanted:
            yield f"{form!r} does not have the values of {originals[-1]!r}"


def _several(words: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words or ())


def _names(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def _key(message: Message) -> Key:
    return message.context or "", _several(message.id)


def _keys(catalog: Catalog) -> set[Key]:
    return {_key(message) for message in catalog if message.id}


def main(arguments: list[str]) -> int:
    """Update the catalogs, or check them; return the exit status."""
    said = extract()
    languages = [language for language in LANGUAGES if language != SOURCE]
    if arguments == ["--check"]:
        found = [f"{path_of(one)}: {fault}" for one in languages for fault in faults(one, said)]
        if found:
            click.echo(
                "\n".join([*found, "`make messages` collects them; docs/languages.md says what then."])
            )
        return int(bool(found))
    for language in languages:
        update(language, said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
