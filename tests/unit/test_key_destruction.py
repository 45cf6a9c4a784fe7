"""Keys are destroyed on a full disk, after a crash at any step, and where a part was not reached at first."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest

from firmware.guard import key_file
from firmware.guard.fuses import fuse_secret
from firmware.guard.opening import destroy_keys, open_guard
from firmware.guard.settings import GuardSettings
from tests.kit.fake_mailbox import FakeMailbox
from trust.keys.errors import GuardUnavailable, KeysDestroyed, KeysMissing
from trust.keys.guard import GuardKind

REPOSITORY = Path(__file__).parents[2]
FILE = GuardSettings(GuardKind.FILE)
BURNT = [0xFFFFFFFF] * 8

# Python tells its audit hooks of each file that is opened, renamed, linked or removed, before it is.
_PREPARED = """
import errno, os, sys
from pathlib import Path
from firmware.guard import key_file
from firmware.guard.key_file import Mark
from firmware.guard.opening import destroy_keys, open_guard
from firmware.guard.settings import GuardSettings
from trust.keys.guard import GuardKind

folder, step = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def changes(event, args):
    if event == "open":
        return str(folder) in str(args[0]) and args[2] & (os.O_WRONLY | os.O_RDWR)
    return event in ("os.rename", "os.link", "os.remove")
"""
_KILLED = (
    _PREPARED
    + """
def hook(event, args):
    global steps
    if changes(event, args):
        steps += 1
        if steps == step:
            os._exit(9)

sys.addaudithook(hook)
open_guard(GuardSettings(GuardKind.FILE), folder, store_exists=False).close()
key_file.replace(folder, key_file.read(folder))
destroy_keys(GuardSettings(GuardKind.FILE), folder, "lock")
"""
)
_FULL_DISK = (
    _PREPARED
    + """
def hook(event, args):
    if event == "open" and args[2] & os.O_CREAT and str(folder) in str(args[0]):
        raise OSError(errno.ENOSPC, "No space left on device")

sys.addaudithook(hook)
destroy_keys(GuardSettings(GuardKind.FILE), folder, "left behind")
"""
)


def run(program: str, folder: Path, step: int = 0) -> int:
    words = [sys.executable, "-c", program, str(folder), str(step)]
    return subprocess.run(words, cwd=REPOSITORY, check=False).returncode


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_full_disk_keeps_no_key_alive(tmp_path: Path) -> None:
    open_guard(FILE, tmp_path, store_exists=False).close()
    with (tmp_path / "keys.json").open("rb") as blocks:
        keys = key_file.read(tmp_path)
        assert keys is not None
        assert run(_FULL_DISK, tmp_path) == 0
        assert b64encode(keys.store_key) not in blocks.read()
    assert [path.name for path in tmp_path.iterdir()] == ["keys.destroyed"]
    with pytest.raises(KeysDestroyed, match="left behind"):
        open_guard(FILE, tmp_path, store_exists=True)


def test_a_crash_at_any_step_leaves_no_key_that_lock_does_not_reach(tmp_path: Path) -> None:
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        ended = run(_KILLED, folder, step)
        (folder / "keys.json.4711.new").write_bytes(b"store_key, of an earlier version")
        with suppress(KeysDestroyed, KeysMissing):
            destroy_keys(FILE, folder, "lock")
        assert b"store_key" not in held(folder), step
        assert {path.name for path in folder.iterdir()} <= {"keys.destroyed", "keys.secret"}
        if ended == 0:
            break
    assert step > 8


def burning(folder: Path, board: FakeMailbox) -> None:
    destroy_keys(GuardSettings(GuardKind.OTP, burn=True), folder, "lock", board)


@pytest.mark.parametrize("at_the_next_start", [False, True])
def test_a_board_that_did_not_answer_is_burnt_later(tmp_path: Path, at_the_next_start: bool) -> None:
    board = FakeMailbox()
    fuse_secret(board)
    settings = GuardSettings(GuardKind.OTP, burn=True)
    guard = open_guard(settings, tmp_path, store_exists=False, mailbox=board)
    board.absent = True
    with pytest.raises(GuardUnavailable):
        guard.destroy("the enclosure was opened")
    with pytest.raises(GuardUnavailable):
        burning(tmp_path, board)
    board.absent = False
    assert board.rows != BURNT
    if at_the_next_start:
        with pytest.raises(KeysDestroyed, match="enclosure"):
            open_guard(settings, tmp_path, store_exists=True, mailbox=board)
    else:
        burning(tmp_path, board)
    assert board.rows == BURNT
    with pytest.raises(KeysDestroyed, match="enclosure"):
        burning(tmp_path, board)
