"""What the image's services found that whoever stands before the screen must know, kept until it is mended.

They are root's, and end before the appliance draws on the screen; it reads here what they said.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/run/aidpost/remarks")
MOST_BYTES = 500


def leave(name: str, sentence: str, folder: Path = FOLDER) -> None:
    """Say this of one matter from now on, or nothing more. Raises OSError."""
    if not sentence:
        (folder / name).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the services let nobody else read what they make
    (folder / name).write_text(sentence)
    (folder / name).chmod(0o644)


def left(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return what is said now, by matter; a file that cannot be read says nothing."""
    said = []
    for path in sorted(folder.glob("*")):
        try:
            with path.open(errors="replace") as file:
                said.append(file.read(MOST_BYTES))
        except OSError:  # taken back meanwhile
            continue
    return tuple(said)
