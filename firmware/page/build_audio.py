"""Makes the spoken prompts of the screens: ``python -m firmware.page.build_audio [FOLDER]`` (`make audio`).

espeak-ng speaks each sentence that people are told, and each point of the notice, in every language; lame
packs it. What is up to date stays. A file that somebody put in the place of a made one, a human voice, is
kept as long as its sentence stays the same; then it is set aside as NAME.old.mp3: it says other words.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import wave
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from firmware.notices import Notices
from firmware.page import build_messages
from firmware.page.loudness import levelled
from firmware.page.recordings import Recording, file_name, read_manifest, write_manifest
from firmware.page.translate import LANGUAGES, translate
from firmware.workflow.notice import NOTICE_VERSION
from firmware.workflow.screen import Text

DEFAULT_FOLDER = Path("out/recordings")
HUMAN = "a person"
WORDS_PER_MINUTE = 140  # espeak-ng's own is 175, too fast beside a queue
_SPEAKS = "firmware/workflow/"  # the page's own sentences are for staff, who read

Speak = Callable[[str, str], bytes]
"""Words and language to an MP3 file."""


@dataclass(slots=True)
class Report:
    """What was done, as file names with their language."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def sentences(language: str) -> dict[str, str]:
    """Return what is spoken in a language, by file name: sentences without values, and the notice."""
    spoken = {}
    for message in build_messages.extract():
        is_told = any(path.startswith(_SPEAKS) for path, _ in message.locations)
        if is_told and isinstance(message.id, str) and message.id and "{" not in message.id:
            text = Text(message.id, context=message.context or "")
            spoken[file_name(message.id)] = translate(text, language)
    for number, point in enumerate(Notices().find(NOTICE_VERSION, language).points, start=1):
        spoken[file_name(f"notice {NOTICE_VERSION} {number} {point.pictogram}")] = point.words
    return spoken


def build(folder: Path, language: str, spoken: Mapping[str, str], speak: Speak, voice: str) -> Report:
    """Bring the recordings of one language up to date."""
    folder = folder / language
    folder.mkdir(parents=True, exist_ok=True)
    former, now, report = read_manifest(folder), {}, Report()
    for name, words in spoken.items():
        path, known = folder / name, former.get(name)
        digest = _sha256(path.read_bytes()) if path.exists() else ""
        if digest and (known is None or known.words == words):
            is_made = known is not None and digest == known.file_sha256
            now[name] = Recording(words, known.voice if known is not None and is_made else HUMAN, digest)
            report.kept.append(f"{language}/{name}")
            continue
        if known is not None and digest and (known.voice == HUMAN or digest != known.file_sha256):
            path.rename(path.with_suffix(".old.mp3"))
            report.set_aside.append(f"{language}/{name}")
        made = speak(words, language)
        path.write_bytes(made)
        now[name] = Recording(words, voice, _sha256(made))
        report.made.append(f"{language}/{name}")
    for name in former.keys() - now.keys():
        (folder / name).unlink(missing_ok=True)
        report.removed.append(f"{language}/{name}")
    write_manifest(folder, now)
    return report


def speak_with_espeak(words: str, language: str) -> bytes:
    """Return the words as an MP3 file: mono, 24 kbit/s, levelled. Raises OSError and CalledProcessError."""
    command = ["espeak-ng", "-v", language, "-s", str(WORDS_PER_MINUTE), "--stdin", "--stdout"]
    spoken = subprocess.run(command, input=words.encode(), capture_output=True, check=True).stdout
    # espeak-ng writes the header before it knows the length: everything after it is samples.
    with wave.open(io.BytesIO(spoken)) as file:
        rate_hz = file.getframerate()
    samples = np.frombuffer(spoken[44 : len(spoken) // 2 * 2], dtype="<i2").astype(np.float32) / np.float32(
        32768
    )
    level = (levelled(samples, rate_hz) * 32767).astype("<i2").tobytes()
    packing = [
        "lame",
        "--quiet",
        "-r",
        "-s",
        str(rate_hz / 1000),
        "-m",
        "m",
        "--bitwidth",
        "16",
        "-b",
        "24",
        "-",
        "-",
    ]
    return subprocess.run(packing, input=level, capture_output=True, check=True).stdout


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(arguments: list[str]) -> int:
    """Make the recordings of all languages; return the exit status."""
    folder = Path(arguments[0]) if arguments else DEFAULT_FOLDER

    def build_language(language: str) -> Report:
        return build(folder, language, sentences(language), speak_with_espeak, f"espeak-ng {language}")

    with ThreadPoolExecutor() as pool:
        for language, report in zip(LANGUAGES, pool.map(build_language, LANGUAGES), strict=True):
            counts = f"{len(report.made)} made, {len(report.kept)} kept, {len(report.removed)} removed"
            click.echo(f"{language}: {counts}")
            for name in report.set_aside:
                click.echo(f"  {name} has other words now: the former recording is beside it as .old.mp3")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
