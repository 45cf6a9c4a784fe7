"""Spoken prompts: equally loud, never of other words, and a human voice is never written over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware.page import build_messages
from firmware.page.build_audio import HUMAN, build, sentences
from firmware.page.loudness import PEAK, TARGET_LUFS, levelled, loudness_lufs
from firmware.page.recordings import Recordings, RecordingsMissing, file_name, read_manifest
from firmware.page.translate import LANGUAGES

RATE_HZ = 22_050


def tone(amplitude: float, seconds: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * 997 * at)).astype(np.float32)


def speak(words: str, language: str) -> bytes:
    return f"{language}: {words}".encode()


def test_loudness_is_that_of_the_standard() -> None:
    # ITU-R BS.1770-4: a full-scale sine of 997 Hz in one channel reads -3.01 LUFS.
    assert loudness_lufs(tone(1.0), RATE_HZ) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(tone(0.1), RATE_HZ) == pytest.approx(-23.01, abs=0.05)


def test_silence_around_a_sentence_does_not_make_it_louder() -> None:
    silence = np.zeros(3 * RATE_HZ, np.float32)
    assert loudness_lufs(np.concatenate([silence, tone(0.1, 2.0), silence]), RATE_HZ) == pytest.approx(
        -23, abs=0.7
    )


@pytest.mark.parametrize("amplitude", [0.01, 0.9])
def test_prompts_are_equally_loud(amplitude: float) -> None:
    assert loudness_lufs(levelled(tone(amplitude), RATE_HZ), RATE_HZ) == pytest.approx(TARGET_LUFS, abs=0.05)


def test_a_click_is_not_levelled_into_clipping() -> None:
    clip = tone(0.001)
    clip[100] = 1.0
    assert np.abs(levelled(clip, RATE_HZ)).max() <= PEAK + 1e-6
    silence = np.zeros(100, np.float32)
    assert not levelled(silence, RATE_HZ).any()


def test_names_of_files_are_apart_and_can_be_read() -> None:
    said = [message.id for message in build_messages.extract() if isinstance(message.id, str) and message.id]
    spoken = {english for english in said if "{" not in english}
    names = {file_name(english) for english in spoken}
    assert len(names) == len(spoken)
    assert file_name("Press a little more.") == "press-a-little-more.mp3"
    assert max(map(len, names)) < 80


def test_every_language_speaks_the_same_sentences() -> None:
    english = sentences("en")
    assert "press-a-little-more.mp3" in english
    assert english["notice-1-1-face.mp3"].startswith("We measure")
    assert all(sentences(language).keys() == english.keys() for language in LANGUAGES)
    assert sentences("sw")["press-a-little-more.mp3"] == "Bonyeza zaidi kidogo."


def test_only_what_changed_is_made_anew(tmp_path: Path) -> None:
    first = build(tmp_path, "fr", {"a.mp3": "Bonjour", "b.mp3": "Merci", "c.mp3": "Oui"}, speak, "machine")
    assert first.made == ["fr/a.mp3", "fr/b.mp3", "fr/c.mp3"]
    second = build(tmp_path, "fr", {"a.mp3": "Bonjour", "b.mp3": "Merci !"}, speak, "machine")
    assert (second.made, second.kept, second.removed) == (["fr/b.mp3"], ["fr/a.mp3"], ["fr/c.mp3"])
    assert sorted(path.name for path in (tmp_path / "fr").iterdir()) == ["a.mp3", "b.mp3", "manifest.json"]


def test_a_human_voice_is_kept_until_its_sentence_changes(tmp_path: Path) -> None:
    build(tmp_path, "fr", {"a.mp3": "Bonjour"}, speak, "machine")
    (tmp_path / "fr" / "a.mp3").write_bytes(b"a voice")
    assert build(tmp_path, "fr", {"a.mp3": "Bonjour"}, speak, "machine").kept == ["fr/a.mp3"]
    assert read_manifest(tmp_path / "fr")["a.mp3"].voice == HUMAN
    assert build(tmp_path, "fr", {"a.mp3": "Bonsoir"}, speak, "machine").set_aside == ["fr/a.mp3"]
    assert (tmp_path / "fr" / "a.old.mp3").read_bytes() == b"a voice"
    assert (tmp_path / "fr" / "a.mp3").read_bytes() == b"fr: Bonsoir"


def test_a_recording_of_former_words_is_not_played(tmp_path: Path) -> None:
    build(tmp_path, "fr", {"a.mp3": "Bonjour", "b.mp3": "Merci"}, speak, "machine")
    recordings = Recordings(tmp_path)
    assert recordings.find(["Bonjour", "Bonsoir", "Merci"], "fr-CA") == ("fr/a.mp3", "fr/b.mp3")
    assert recordings.find(["Bonjour"], "en") == ()


def test_without_recordings_the_page_is_silent_and_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert Recordings(None).find(["Bonjour"], "fr") == ()
    with pytest.raises(RecordingsMissing, match="make audio"):
        Recordings(tmp_path)
