"""Sentences in the languages of the page: plural forms, numbers, directions, and words that never occur."""

from __future__ import annotations

import re
from datetime import date, time

import pytest

from firmware.notices import Notices
from firmware.page import build_messages
from firmware.page.translate import LANGUAGES, SOURCE, direction, translate
from firmware.page.words import NO_UPLINK, held_by, tries_left, waiting
from firmware.workflow.notice import NOTICE_VERSION
from firmware.workflow.screen import Text, in_context, say

# Beginnings of words that accuse somebody; the appliance is at fault, not the person. In Arabic and Swahili
# other letters come before the stem.
ACCUSING = {
    "en": "fraud|reject|den(?:y|ied)|unknown person|fail|suspic|impost|cheat|illegal|guilt|lie[sd]?",
    "fr": "fraud|rejet|refusé|inconnu|échec|échou|suspect|impost|trich|illég|coupab|menson",
    "es": "fraud|rechaz|denega|desconocid|fracas|fall[oóa]|sospech|impost|tramp|ilegal|culpab|mentir",
    "ar": "احتيال|غش|مرفوض|رُفض|مجهول|فشل|مشبوه|مشتبه|منتحل|مخالف|مذنب|كاذب",
    "uk": "шахра|відхил|відмовлено|невідом|невдал|провал|підозр|самозван|незаконн|винн|обман|брех",
    "sw": "ulaghai|laghai|kataliwa|asiyejulikana|feli|shindwa|shuku|mdanganyifu|danganya|haramu|hatia|uongo",
}


def all_in(language: str) -> list[str]:
    catalog = build_messages.extract() if language == SOURCE else build_messages.read(language)
    sentences: list[str] = []
    for message in catalog:
        words = message.id if language == SOURCE else message.string
        if message.id and words:
            sentences += [words] if isinstance(words, str) else words
    return sentences


def accusing(language: str) -> re.Pattern[str]:
    start = "" if language in ("ar", "sw") else r"\b"
    return re.compile(rf"{start}(?:{ACCUSING[language]})", re.IGNORECASE)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Access denied: unknown person."),
        ("fr", "Échec : personne inconnue"),
        ("es", "Solicitud rechazada"),
        ("ar", "الطلب المرفوض"),
        ("uk", "Підозріла особа"),
        ("sw", "Mtu huyu amekataliwa"),
    ],
)
def test_an_accusing_word_is_found(language: str, sentence: str) -> None:
    assert accusing(language).search(sentence)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_accuses_anybody(language: str) -> None:
    word = accusing(language)
    sentences = all_in(language)
    assert sentences
    sentences += [point.words for point in Notices().find(NOTICE_VERSION, language).points]
    assert not [sentence for sentence in sentences if word.search(sentence)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_short(language: str) -> None:
    assert not [sentence for sentence in all_in(language) if len(sentence) > 130]


def test_arabic_counts_in_six_forms_and_ukrainian_in_three() -> None:
    arabic = {translate(waiting(number), "ar") for number in (0, 1, 2, 3, 11, 100)}
    assert len(arabic) == 6
    assert translate(tries_left(2), "ar") == "بقيت محاولتان"
    assert [translate(tries_left(number), "uk") for number in (1, 2, 5, 21)] == [
        "Залишилася 1 спроба",
        "Залишилися 2 спроби",
        "Залишилося 5 спроб",
        "Залишилася 21 спроба",
    ]


def test_values_are_isolated_only_where_people_read_from_the_right() -> None:
    assert translate(held_by("K-12/3"), "ar").endswith("\u2068K-12/3\u2069. لم يُنفَّذ أي شيء.")
    assert "\u2068" not in translate(held_by("K-12/3"), "fr")
    assert [direction(tag) for tag in LANGUAGES] == ["ltr", "ltr", "ltr", "rtl", "ltr", "ltr"]


def test_numbers_dates_times_and_lists_are_those_of_the_language() -> None:
    said = Text(
        "{n} {at} {on} {all}",
        (("all", ("a", "b")), ("at", time(14, 5)), ("n", 1234), ("on", date(2025, 3, 1))),
    )
    assert translate(said, "en") == "1,234 2:05\u202fPM March 1, 2025 a and b"
    assert translate(said, "fr") == "1\u202f234 14:05 1 mars 2025 a et b"
    assert "١٬٢٣٤" in translate(said, "ar-EG")


def test_values_that_are_sentences_are_translated_too() -> None:
    assert translate(say("{what}!", what=NO_UPLINK), "sw").startswith("Seva kuu haijaunganishwa")


def test_a_sentence_without_translation_comes_in_english() -> None:
    assert translate(say("Nobody says this."), "uk") == "Nobody says this."
    assert translate(in_context("button", "Help"), "uk") == "Допомога"


def test_a_language_without_a_catalog_is_named() -> None:
    with pytest.raises(ValueError, match="'de'; there are en, fr"):
        translate(NO_UPLINK, "de")


def test_what_keeps_a_catalog_from_being_complete_is_named() -> None:
    said = build_messages.extract()
    said.add("A sentence that nobody translated")
    assert "'A sentence that nobody translated' is not in the catalog" in set(
        build_messages.faults("fr", said)
    )
    said = build_messages.extract()
    said.delete("Your PIN")
    assert "'Your PIN' is said no more" in set(build_messages.faults("fr", said))
