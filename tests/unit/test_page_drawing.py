"""What a screen becomes in the language of whoever looks: the notice, recordings, numbers and directions."""

from __future__ import annotations

import re
from pathlib import Path

from firmware.notices import Notices
from firmware.page.build_audio import build, sentences
from firmware.page.drawing import Drawing, Now
from firmware.page.ports import Bar
from firmware.page.recordings import Recordings
from firmware.page.viewers import Operator, Viewer
from firmware.workflow.notice import Case, ShowingNotice, notice_screen
from firmware.workflow.screen import Choice, Ration, Screen, Tone, say
from firmware.workflow.terms import Role

NOTICE = notice_screen("registration", ShowingNotice(Case()))
GIVE = Screen(
    "give",
    Tone.GOOD,
    "tick",
    say("Give the ration, then press GIVEN."),
    choices=(Choice("back", say("Back"), "back"), Choice("given", say("GIVEN"), "hand over")),
    household_size=5,
    rations=(Ration("Rice", "12.5", "kg"), Ration("Soap", "4", "piece"), Ration("Oil", "2", "tin")),
)


def draw(screen: Screen, tag: str, recordings: Path | None = None, *, speaks: bool = True) -> str:
    drawing = Drawing(sounds=False, speaks=speaks, recordings=Recordings(recordings), notices=Notices())
    viewer = Viewer("token", 0.0, Operator("amina", Role.OPERATOR))
    return drawing.draw_screen(
        "screen.html", tag, Now(screen, 7, 0), viewer, bar=Bar("kit"), advice=None, message=None, seen=""
    )


def recorded(folder: Path, language: str) -> Path:
    build(folder, language, sentences(language), lambda words, _: words.encode(), "machine")
    return folder


def test_the_notice_is_shown_in_the_language_of_the_person() -> None:
    assert "No picture is kept." in draw(NOTICE, "en")
    arabic = draw(NOTICE, "ar-EG")
    assert "لا تُحفظ أي صورة" in arabic
    assert 'dir="rtl"' in arabic


def test_the_notice_and_its_answers_are_played_in_order(tmp_path: Path) -> None:
    page = draw(NOTICE, "fr", recorded(tmp_path, "fr"))
    prompts = re.search(r'data-prompts="([^"]*)"', page)
    assert prompts
    names = [Path(address).stem for address in prompts[1].split()]
    assert names[0] == "may-we-take-your-face-and-fingers"
    assert names[1:3] == ["notice-1-1-face", "notice-1-2-search"]
    assert names[-3:] == ["i-agree", "i-do-not-want-this", "i-have-a-question"]
    assert all((tmp_path / "fr" / f"{name}.mp3").exists() for name in names)
    assert 'data-prompt="/recordings/fr/i-agree.mp3"' in page
    assert "data-speaks" in page
    assert "data-speaks" not in draw(NOTICE, "fr", tmp_path, speaks=False)


def test_without_recordings_there_is_nothing_to_listen_to(tmp_path: Path) -> None:
    assert 'data-prompts=""' in draw(NOTICE, "en")
    assert "data-listen" not in draw(NOTICE, "en")
    assert "data-listen" not in draw(NOTICE, "sw", recorded(tmp_path, "fr"))


def test_amounts_are_written_as_the_language_does() -> None:
    assert "<bdi>12,5 кг</bdi>" in draw(GIVE, "uk").replace("\u00a0", " ")
    egyptian = draw(GIVE, "ar-EG")
    assert "<bdi>١٢٫٥ كغم</bdi>" in egyptian.replace("\u00a0", " ")
    assert "<bdi>٥</bdi>" in egyptian
    english = draw(GIVE, "en")
    assert "<bdi>4</bdi>" in english
    assert "<bdi>2 tin</bdi>" in english


def test_only_what_has_a_direction_of_reading_is_mirrored() -> None:
    mirrored = set(
        re.findall(
            r'flips" viewBox="0 0 48 48" aria-hidden="true"><use href="[^#]*#([a-z-]+)"', draw(GIVE, "ar")
        )
    )
    assert mirrored == {"back", "hand-over"}
