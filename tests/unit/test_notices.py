"""The notice: every language says the same, in words that are pinned to their version."""

from __future__ import annotations

import pytest

from firmware.notices import FOLDER, languages, notice
from firmware.page.translate import LANGUAGES
from firmware.workflow.notice import NOTICE_VERSION

VERSIONS = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and folder.name.isdigit())

# What was shown is never changed: a change of words is a new folder, and its digests are added here.
STATED = {
    ("1", "ar"): "1 sha256:5c1541042a941d31bb916febe552af17",
    ("1", "en"): "1 sha256:1840dfd7ef97cd879ad5ad5c30cb3557",
    ("1", "es"): "1 sha256:4d90b75c6d8e1c2806f4a57f164fd4e8",
    ("1", "fr"): "1 sha256:cd8f5d839703b7d32348e73d4a6f7901",
    ("1", "sw"): "1 sha256:81078b44d27f49c82f10df28ab7b458b",
    ("1", "uk"): "1 sha256:7188044d52feaf347abb79289802758e",
}


def test_the_shown_version_exists_in_every_language_of_the_page() -> None:
    assert languages(NOTICE_VERSION) == set(LANGUAGES)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_language_makes_the_same_points_in_the_same_order(version: str) -> None:
    english = [point.pictogram for point in notice(version, "en").points]
    for language in languages(version):
        read = notice(version, language)
        assert [point.pictogram for point in read.points] == english
        assert all(0 < len(point.words) <= 130 for point in read.points)
        assert len(read.stated) <= 64


def test_words_that_were_shown_are_never_changed() -> None:
    assert {(v, tag): notice(v, tag).stated for v in VERSIONS for tag in languages(v)} == STATED


def test_a_region_does_not_change_the_notice() -> None:
    assert notice("1", "ar-EG") == notice("1", "ar")


@pytest.mark.parametrize(("version", "tag"), [("0", "en"), ("1", "de"), ("..", "en"), ("1", "../1/en")])
def test_what_does_not_exist_is_named(version: str, tag: str) -> None:
    with pytest.raises(ValueError, match="there is no notice of version"):
        notice(version, tag)
