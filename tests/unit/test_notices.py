"""The notice: every language says the same, in words that are pinned to their version."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.notices import FOLDER, Notices
from firmware.page.translate import LANGUAGES
from firmware.workflow.notice import NOTICE_VERSION

VERSIONS = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and folder.name.isdigit())

# What was shown is never changed: a change of words is a new folder, and its digests are added here.
STATED = {
    ("1", "ar"): "1 sha256:5c1541042a941d31bb916febe552af17",
    ("1", "en"): "1 sha256:1840dfd7ef97cd879ad5ad5c30cb3557",
    ("1", "es"): "1 sha256:4d90b75c6d8e1c2806f4a57f164fd4e8",
    ("1", "fr"): "1 sha256:c36eb5901e281a3cd2bd609a31a9161e",
    ("1", "sw"): "1 sha256:81078b44d27f49c82f10df28ab7b458b",
    ("1", "uk"): "1 sha256:7188044d52feaf347abb79289802758e",
}


def test_the_shown_version_exists_in_every_language_of_the_page() -> None:
    assert Notices().languages(NOTICE_VERSION) == set(LANGUAGES)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_language_makes_the_same_points_in_the_same_order(version: str) -> None:
    notices = Notices()
    english = [point.pictogram for point in notices.find(version, "en").points]
    for language in notices.languages(version):
        read = notices.find(version, language)
        assert [point.pictogram for point in read.points] == english
        assert all(0 < len(point.words) <= 130 for point in read.points)
        assert len(read.stated) <= 64


def test_words_that_were_shown_are_never_changed() -> None:
    notices = Notices()
    assert {(v, tag): notices.find(v, tag).stated for v in VERSIONS for tag in notices.languages(v)} == STATED


def test_a_region_does_not_change_the_notice() -> None:
    notices = Notices()
    assert notices.find("1", "ar-EG") is notices.find("1", "ar")


def test_a_site_has_words_of_its_own_and_what_was_shown_stays_what_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "1" / "en.toml"
    file.parent.mkdir()
    file.write_text('title = "May we?"\npoints = [{pictogram = "face", words = "The Red Tent asks."}]\n')
    notices = Notices(tmp_path)
    shown = notices.find("1", "en")
    assert shown.points[0].words == "The Red Tent asks."
    assert shown.stated != Notices().find("1", "en").stated
    file.write_text('title = "May we?"\npoints = []\n')
    assert notices.find("1", "en") is shown
    file.write_text('titel = "May we?"\n')
    with pytest.raises(ValueError, match="is not a notice"):
        Notices(tmp_path).find("1", "en")


@pytest.mark.parametrize(("version", "tag"), [("0", "en"), ("1", "de"), ("..", "en"), ("1", "../1/en")])
def test_what_does_not_exist_is_named(version: str, tag: str) -> None:
    with pytest.raises(ValueError, match="there is no notice of version"):
        Notices().find(version, tag)
