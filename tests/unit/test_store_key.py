"""Where the store's key is in the memory of a process that has the store open, and afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.store.pragma_key import lent_text, overwrite
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

REPOSITORY = Path(__file__).parents[2]
SETTINGS = GuardSettings(GuardKind.FILE)

_HOLD_A_STORE = """
import pathlib, sys
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.store.store import Store
from tests.kit.store_values import DEVICE, PURPOSE, SITE, check_in, moment
from trust.keys.guard import GuardKind
folder = pathlib.Path(sys.argv[1])
guard = open_guard(GuardSettings(GuardKind.FILE), folder, store_exists=True)
with guard.store_key() as key:
    store = Store.open(folder / "store.db", key, device_id=DEVICE, purpose=PURPOSE, site=SITE)
store.commit_check_in(moment(), check_in(1))
print("open", flush=True)
sys.stdin.readline()
store.close()
guard.close()
print("closed", flush=True)
sys.stdin.readline()
"""


def in_memory(pid: int, needles: dict[str, bytes]) -> dict[str, int]:
    """Count the needles in all that a process can write to."""
    counts = dict.fromkeys(needles, 0)
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            low, high, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()  # type: ignore[union-attr]
            if not rights.startswith("rw"):
                continue
            memory.seek(int(low, 16))
            try:
                content = memory.read(int(high, 16) - int(low, 16))
            except OSError:  # a page of the kernel's own
                continue
            for name, needle in needles.items():
                counts[name] += content.count(needle)
    return counts


def test_the_key_leaves_no_text_in_memory_and_nothing_once_it_is_closed(tmp_path: Path) -> None:
    with (
        open_guard(SETTINGS, tmp_path, store_exists=False) as guard,
        guard.store_key() as key,
        key.view() as view,
    ):
        needles = {"key": bytes(view), "text": bytes(view).hex().encode()}
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_A_STORE, str(tmp_path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        while child.stdout.readline() != "open\n":  # the guard warns before
            assert child.poll() is None
        try:
            held = in_memory(child.pid, needles)
        except PermissionError:
            child.kill()
            pytest.skip("this machine does not let a parent read its child's memory")
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "closed\n"
        after = in_memory(child.pid, needles)
        child.stdin.close()
    # The guard's page, and SQLCipher's copies for reading and for writing.
    assert 1 <= held["key"] <= 4
    assert held["text"] == 0
    assert after == {"key": 0, "text": 0}


def test_the_lent_text_is_overwritten() -> None:
    with SecretKey.taken_from(bytearray(range(32))) as key:
        with lent_text(key, "<", ">") as text:
            assert text.startswith("<x'000102")
            assert text.endswith("'>")
        assert text == "\0" * len(text)
    with pytest.raises(ValueError, match="ASCII"):
        overwrite("é")
