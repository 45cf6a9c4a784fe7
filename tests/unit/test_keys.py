"""Keys: their memory, the guards that hold them, and what destroying them leaves."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from trust.keys.errors import GuardMisconfigured, KeysDamaged, KeysDestroyed, KeysMissing
from trust.keys.guard import GuardKind, KeyGuard
from trust.keys.secret import SecretKey

REPOSITORY = Path(__file__).parents[2]


def locked_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmLck:")[1].split()[0])


def test_a_key_is_locked_hidden_and_overwritten() -> None:
    before = locked_kib()
    source = bytearray(range(32))
    key = SecretKey.taken_from(source)
    assert source == bytes(32)
    assert locked_kib() == before + 4
    assert repr(key) == f"{key}" == "SecretKey(32 bytes)"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(key)
    with key.view() as view:
        assert bytes(view) == bytes(range(32))
        lent = view[:]
        with lent:
            key_again = key.copy()
    assert key == key_again
    assert key != SecretKey(32)
    key.close()
    key.close()
    assert locked_kib() == before + 4, "the copy is another page"
    with pytest.raises(ValueError, match="closed and overwritten"), key.view():
        pass
    key_again.close()


_FORK = """
import os
from trust.keys.secret import SecretKey
key = SecretKey.taken_from(bytearray(b"k" * 32))
child = os.fork()
with key.view() as view:
    found = bytes(view)
if child == 0:
    os._exit(0 if found == bytes(32) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or found != b"k" * 32)
"""


def test_a_forked_child_finds_zeros() -> None:
    # In a process of its own: a fork of this one, with its threads, is deprecated from Python 3.12.
    assert subprocess.run([sys.executable, "-c", _FORK], cwd=REPOSITORY, check=False).returncode == 0


def file_guard(folder: Path, *, store_exists: bool = False) -> KeyGuard:
    return open_guard(GuardSettings(GuardKind.FILE), folder, store_exists=store_exists)


def test_a_guard_gives_the_same_keys_at_each_start(tmp_path: Path) -> None:
    with file_guard(tmp_path) as first, first.store_key() as key:
        signature = first.sign(b"who I am")
        with file_guard(tmp_path, store_exists=True) as second, second.store_key() as again:
            assert key == again
            assert len(key) == 32
            second.public_key().verify(signature, b"who I am", ec.ECDSA(SHA256()))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_folder_is_closed_to_others_when_it_is_made_and_later(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    file_guard(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    file_guard(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_no_guard_stands_in_for_another_and_none_makes_keys_for_an_old_store(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match=r"no keys\.json"):
        file_guard(tmp_path, store_exists=True)
    file_guard(tmp_path).close()
    with pytest.raises(GuardMisconfigured, match=r"set `keys\.guard` to 'file'"):
        open_guard(GuardSettings(GuardKind.PIN), tmp_path, store_exists=True)


def test_changed_keys_do_not_open(tmp_path: Path) -> None:
    file_guard(tmp_path).close()
    path = tmp_path / "keys.json"
    whole = path.read_text()
    at = whole.index('"store_key": "') + 30
    path.write_text(whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1 :])
    with pytest.raises(KeysDamaged, match="do not open"):
        file_guard(tmp_path)
    path.write_text(whole[:50])
    with pytest.raises(KeysDamaged, match="cannot be read"):
        file_guard(tmp_path)


def test_what_is_destroyed_is_overwritten_before_it_is_unlinked(tmp_path: Path) -> None:
    guard = file_guard(tmp_path)
    with (tmp_path / "keys.json").open("rb") as keys, (tmp_path / "keys.secret").open("rb") as secret:
        before = keys.read(), secret.read()
        guard.destroy("lock")
        keys.seek(0)
        secret.seek(0)
        after = keys.read(), secret.read()  # the blocks that the files had
    for was, now in zip(before, after, strict=True):
        assert len(was) == len(now)
        assert not any(was[at : at + 16] in now for at in range(len(was) - 16))


def test_destroyed_keys_stay_destroyed_and_the_next_start_says_why(tmp_path: Path) -> None:
    guard = file_guard(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    guard.destroy("the enclosure was opened")
    guard.destroy("again")
    assert [path.name for path in tmp_path.iterdir()] == ["keys.destroyed"]
    with pytest.raises(KeysDestroyed, match=r"the enclosure was opened.*aidpost restore"):
        file_guard(tmp_path, store_exists=True)
    # The power failed after the mark: the next start finishes what was begun.
    (tmp_path / "keys.json").write_bytes(before["keys.json"])
    with pytest.raises(KeysDestroyed):
        file_guard(tmp_path)
    assert not (tmp_path / "keys.json").exists()
