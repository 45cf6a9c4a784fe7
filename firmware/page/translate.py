"""Sentences of the screen in the language of whoever looks.

Catalogs are gettext's, one for each language, in `locale/`; English is the key and needs none. Numbers,
times, dates and lists are written as CLDR says for the language, and values are isolated where people read
from the right, so that a card number does not turn around. docs/languages.md says how to mend a translation.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

from firmware.workflow.screen import Text, Value

DOMAIN = "screen"
CATALOGS = Path(__file__).parent / "locale"
SOURCE = "en"
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "fr": "Français",
        "es": "Español",
        "ar": "العربية",
        "uk": "Українська",
        "sw": "Kiswahili",
    }
)
"""Tag and own name of each language with a catalog. A tag may name a region too: "ar-EG" has other digits."""

# Unicode: first strong isolate, and pop directional isolate.
_FSI, _PDI = "\u2068", "\u2069"
_UNITS = {"kg": "mass-kilogram", "g": "mass-gram", "l": "volume-liter", "ml": "volume-milliliter"}
# The digit nought of CLDR's numbering systems; Babel writes the separators of these, and Western digits.
_NOUGHTS = {"arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀"}


def translate(text: Text, tag: str) -> str:
    """Return the sentence in the language of `tag`, its values filled in.

    A sentence that the catalog does not know comes in English; `make check` lets none of ours be missing.
    """
    words = _catalog(_language(tag))
    match bool(text.context), bool(text.plural):
        case True, True:
            message = words.npgettext(text.context, text.message, text.plural, text.number)
        case True, False:
            message = words.pgettext(text.context, text.message)
        case False, True:
            message = words.ngettext(text.message, text.plural, text.number)
        case _:
            message = words.gettext(text.message)
    if not text.values:
        return message
    return message.format_map({name: _written(value, tag) for name, value in text.values})


def path_of(language: str) -> Path:
    """Return the catalog of a language."""
    return CATALOGS / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def direction(tag: str) -> str:
    """Return the direction of writing, as HTML says it: "ltr" or "rtl"."""
    return str(_locale(tag).text_direction)


def write_number(number: int, tag: str) -> str:
    """Return a number as the language writes it."""
    locale = _locale(tag)
    return _in_digits_of(locale, format_decimal(number, locale=locale, numbering_system="default"))


def write_amount(amount: str, unit: str, tag: str) -> str:
    """Return so much of something as the language writes it; pieces are counted without a word.

    What is no number, or in a unit of the list's own, stays as the list has it.
    """
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return f"{amount} {unit}"
    locale = _locale(tag)
    if unit in _UNITS:
        written = format_unit(number, _UNITS[unit], "short", locale=locale, numbering_system="default")
        return _in_digits_of(locale, written)
    written = _in_digits_of(locale, format_decimal(number, locale=locale, numbering_system="default"))
    return written if unit == "piece" else f"{written} {unit}"


def _written(value: Value, tag: str) -> str:
    match value:
        case Text():
            return translate(value, tag)
        case int():
            return write_number(value, tag)
        case str():
            return f"{_FSI}{value}{_PDI}" if direction(tag) == "rtl" else value
        case time():
            return _in_digits_of(_locale(tag), format_time(value, "short", locale=_locale(tag)))
        case date():
            return _in_digits_of(_locale(tag), format_date(value, "long", locale=_locale(tag)))
        case tuple():
            return format_list([_written(one, tag) for one in value], locale=_locale(tag))


def _in_digits_of(locale: Locale, written: str) -> str:
    nought = _NOUGHTS.get(locale.default_numbering_system)
    if nought is None:
        return written
    return written.translate({ord("0") + digit: ord(nought) + digit for digit in range(10)})


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    if language == SOURCE:
        return gettext.NullTranslations()
    # Compiled in memory, 18 ms when a language is first used: a .mo file beside each .po could only be old.
    compiled = io.BytesIO()
    with path_of(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


def _language(tag: str) -> str:
    language = tag.partition("-")[0]
    if language not in LANGUAGES:
        raise ValueError(f"there is no catalog for {tag!r}; there are {', '.join(LANGUAGES)}")
    return language
